"""From the rows of a job to files of tokens, which every process of the training maps."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from byzer_lab.errors import InvalidRequestError
from byzer_lab.training.data.checking import check_rows, refuse_bad_rows
from byzer_lab.training.data.encoding import Encoded, Shape, encode
from byzer_lab.training.data.preferences import Pair, encode_pairs
from byzer_lab.training.data.report import Tally, write_report
from byzer_lab.training.data.rows import Example, Findings

FOLDER = "finetune_data"
"""Of a job's folder."""
HELD_OUT = "held_out.jsonl"
"""In it: the rows that aren't trained on, as :meth:`Example.to_row` writes them."""
_GOOD = "examples.jsonl"
_DONE = "prepared.json"
_BATCH = 512
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Wanted:
    """What is to be prepared.

    Attributes:
        data_path: The rows.
        shape: How they are made into tokens.
        preferences: They say which of two answers is better.
        eval_data_path: Rows to evaluate on; empty: a part of the others.
        eval_ratio: How large a part.
        seed: By which it is chosen.
        skip: Leave bad rows out.
        max_bad_ratio: As long as they are no larger share.
    """

    data_path: str
    shape: Shape
    preferences: bool = False
    eval_data_path: str = ""
    eval_ratio: float = 0.0
    seed: int = 42
    skip: bool = False
    max_bad_ratio: float = 0.1


@dataclass(frozen=True)
class Prepared:
    """Data that is ready to be trained on.

    Attributes:
        train: File of tokens, for ``datasets.Dataset.from_file``.
        held_out: The same of the rows to evaluate on; ``None``: there are none.
        rows: How many examples are trained on.
        tokens: How many tokens they have.
        trained: How many of those are trained on.
        report: Path of the data report.
        warnings: Sentences for the user.
    """

    train: str
    held_out: str | None
    rows: int
    tokens: int
    trained: int
    report: str
    warnings: list[str] = field(default_factory=list)


def prepare(folder: Path, wanted: Wanted, tokenizer: Any, tell: Tell) -> Prepared:
    """Check the rows of a job and make them into tokens.

    What an earlier attempt of the job has prepared is taken as it is, so that it goes on with the
    very same data.

    Args:
        folder: The job's.
        wanted: See there.
        tokenizer: The model's, with a chat template.
        tell: Told of each phase.

    Raises:
        InvalidRequestError: Rows are bad, or none is left to train on.
    """
    place = folder / FOLDER
    done = place / _DONE
    if done.is_file():
        return Prepared(**json.loads(done.read_text(encoding="utf-8")))
    place.mkdir(parents=True, exist_ok=True)
    tell("checking the data")
    print(f"Loading data: {wanted.data_path}")
    findings = Findings()
    with _Examples(folder, wanted, findings) as examples:
        tell("making tokens")
        train, held_out = _encode_all(place, examples, wanted, tokenizer, findings)
    report = write_report(folder, findings, train, held_out)
    _refuse(findings, wanted, report)
    if train.rows == 0:
        raise InvalidRequestError("No row is left to train on; lower eval_ratio.")
    print(f"there are {train.rows} data in dataset")
    prepared = Prepared(
        train=str(place / "train.arrow"),
        held_out=str(place / "held_out.arrow") if held_out is not None else None,
        rows=train.rows,
        tokens=train.tokens,
        trained=train.trained,
        report=str(report),
        warnings=list(_warnings(findings, train, wanted)),
    )
    part = done.with_suffix(".part")
    part.write_text(json.dumps(asdict(prepared)), encoding="utf-8")
    part.replace(done)  # at once: a process that is killed leaves all of it or none
    return prepared


class _Examples:
    """The good rows of a job, kept in a file while they are counted and divided."""

    def __init__(self, folder: Path, wanted: Wanted, findings: Findings) -> None:
        self._place = folder / FOLDER / ".checked"
        shutil.rmtree(self._place, ignore_errors=True)
        self._place.mkdir()
        self.count = self._keep(wanted.data_path, _GOOD, wanted, findings)
        self.apart = bool(wanted.eval_data_path)
        if self.apart:
            self._keep(wanted.eval_data_path, HELD_OUT, wanted, findings)
        report = write_report(folder, findings)
        _refuse(findings, wanted, report)
        chosen = 0
        if not self.apart and wanted.eval_ratio > 0:
            chosen = min(self.count - 1, max(1, round(wanted.eval_ratio * self.count)))
        drawn = random.Random(wanted.seed).sample(range(self.count), chosen)
        self._held_out = frozenset(drawn)

    def __enter__(self) -> _Examples:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._place, ignore_errors=True)

    @property
    def divided(self) -> bool:
        """Some are held out."""
        return self.apart or bool(self._held_out)

    def train(self) -> Iterator[Example]:
        """Those to train on."""
        for at, example in enumerate(self._read(_GOOD)):
            if at not in self._held_out:
                yield example

    def held_out(self) -> Iterator[Example]:
        """Those to evaluate on."""
        if self.apart:
            yield from self._read(HELD_OUT)
            return
        for at, example in enumerate(self._read(_GOOD)):
            if at in self._held_out:
                yield example

    def _keep(self, data_path: str, name: str, wanted: Wanted, findings: Findings) -> int:
        count = 0
        with (self._place / name).open("w", encoding="utf-8") as file:
            for example in check_rows(data_path, findings, preferences=wanted.preferences):
                file.write(example.to_json() + "\n")
                count += 1
        return count

    def _read(self, name: str) -> Iterator[Example]:
        with (self._place / name).open(encoding="utf-8") as file:
            for line in file:
                yield Example.from_json(line)


def _encode_all(
    place: Path, examples: _Examples, wanted: Wanted, tokenizer: Any, findings: Findings
) -> tuple[Tally, Tally | None]:
    train = _write(place / "train.arrow", examples.train(), wanted, tokenizer, findings)
    if not examples.divided:
        return train, None
    held_out = _write(place / "held_out.arrow", examples.held_out(), wanted, tokenizer, findings)
    with (place / HELD_OUT).open("w", encoding="utf-8") as file:
        file.writelines(example.to_row() + "\n" for example in examples.held_out())
    return train, held_out if held_out.rows else None


def _write(
    path: Path,
    examples: Iterable[Example],
    wanted: Wanted,
    tokenizer: Any,
    findings: Findings,
) -> Tally:
    tally = Tally()
    columns = Pair.COLUMNS if wanted.preferences else ("input_ids", "labels")
    schema = pa.schema([(name, pa.list_(pa.int32())) for name in columns])
    make = encode_pairs if wanted.preferences else encode
    gathered: list[Encoded | Pair] = []
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:

        def flush() -> None:
            table = {name: [getattr(one, name) for one in gathered] for name in columns}
            stream.write_batch(pa.record_batch(table, schema))
            gathered.clear()

        for one in make(examples, tokenizer, wanted.shape):
            if isinstance(one, tuple):
                findings.problems.append(one[1].of(one[0]))
                continue
            tally.add(one.whole if isinstance(one, Pair) else one, tokenizer)
            gathered.append(one)
            if len(gathered) == _BATCH:
                flush()
        flush()
    return tally


def _refuse(findings: Findings, wanted: Wanted, report: Path) -> None:
    refuse_bad_rows(
        findings.problems,
        findings.rows,
        skip=wanted.skip,
        max_bad_ratio=wanted.max_bad_ratio,
        report=str(report),
    )


def _warnings(findings: Findings, train: Tally, wanted: Wanted) -> Iterator[str]:
    if findings.problems:
        codes = ", ".join(f"{code} {count}" for code, count in findings.codes.items())
        yield f"{len(findings.problems)} of {findings.rows} rows were left out ({codes})."
    if findings.duplicates:
        yield f"{findings.duplicates} rows say the same as one before; they are trained on too."
    if train.truncated:
        kept = "end" if wanted.shape.keep_end else "beginning"
        yield (
            f"{train.truncated} rows are longer than max_seq_length ({wanted.shape.max_length} "
            f"tokens): only their {kept} is trained on, and {train.lost} tokens are not."
        )
    if train.last_turn_only:
        yield (
            f"The model's chat template rewrites what was said before, so of "
            f"{train.last_turn_only} conversations only the last answer is trained on."
        )
