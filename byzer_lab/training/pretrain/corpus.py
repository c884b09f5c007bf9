"""Rows to one stream of tokens for each worker, kept in files that the workers map."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.training.data.formats import convert, detect
from byzer_lab.training.data.masking import PLAIN_TEMPLATE
from byzer_lab.training.data.reading import files_of, read_file
from byzer_lab.training.data.rows import BadRow, Example, Findings, Problem, Row
from byzer_lab.training.pretrain.streams import Streams, StreamWriter, write_index
from byzer_lab.training.tokenizers import Tokenizer

_PARTITION = re.compile(r"data-(\d+)(\..+)?")
_BATCH = 256  # texts that the tokenizer gets at once
_SHOWN = 20  # bad rows in the sentence
_UNEVEN = 1.2  # the fullest partition against the mean, from which it is said
_TEXTS = ("value", "content")  # columns that are a row's text where there is no other


@dataclass(frozen=True)
class BadRows:
    """What is done with rows that have no text.

    Attributes:
        skip: Leave them out instead of refusing the data.
        most: Share of the rows that may be left out.
    """

    skip: bool
    most: float


def write_streams(
    data_path: str,
    folder: Path,
    tokenizer: Tokenizer,
    workers: int,
    bad: BadRows,
    origin: dict[str, Any],
    progress: Callable[[float], None],
) -> tuple[Streams, list[str]]:
    """Tokenise all rows.

    Args:
        data_path: File or folder of rows. Partitions, which are files or folders ``data-0``,
            ``data-1`` ..., go to one worker each where there are as many as workers; else every
            text goes to the worker that has the fewest tokens.
        folder: Where the streams are kept.
        tokenizer: Ends each text with its end token.
        workers: How many streams.
        bad: What is done with bad rows.
        origin: What the streams are made of, as it is kept with them.
        progress: Told which share of the files' bytes was read.

    Returns:
        The streams, and warnings.

    Raises:
        InvalidRequestError: There is nothing to read, or rows are bad, with their numbers.
    """
    end = tokenizer.end
    if end is None:
        raise InvalidRequestError(
            "The tokenizer has no end token, which must stand between two texts; give another one "
            "with tokenizer_path."
        )
    parts = partitions_of(data_path)
    kept = len(parts) == workers
    warnings = []
    if len(parts) > 1 and not kept:
        warnings.append(
            f"The data has {len(parts)} partitions for {workers} workers: its texts are dealt out "
            "evenly instead of one partition to each."
        )
    sizes = [sum(file.stat().st_size for file in files) for files in parts]
    problems: list[Problem] = []
    rows = 0
    writers = [StreamWriter(folder, rank, tokenizer.size) for rank in range(workers)]
    try:
        for part, files in enumerate(parts):
            numbers = itertools.count(rows + 1)
            for texts in _batches(_texts(files, tokenizer, numbers, problems)):
                for tokens in tokenizer.encode([_without_end(text, tokenizer) for text in texts]):
                    fewest = min(writers, key=lambda writer: writer.tokens)
                    (writers[part] if kept else fewest).add([*tokens, end])
            rows = next(numbers) - 1
            progress(sum(sizes[: part + 1]) / max(1, sum(sizes)))
        _refuse(problems, rows, bad)
        streams = write_index(folder, writers, origin)
    finally:
        for writer in writers:
            writer.close()
    _report(folder, streams, problems, rows)
    if problems:
        warnings.append(
            f"{len(problems)} of {rows} rows were left out, because they have no text; "
            "data_report.json names them."
        )
    mean = sum(streams.tokens) / workers
    if kept and max(streams.tokens) > _UNEVEN * mean:
        warnings.append(
            f"The largest partition has {max(streams.tokens)} tokens and the mean {mean:.0f}: the "
            "other workers idle at the end of each pass."
        )
    return streams, warnings


def partitions_of(data_path: str) -> list[list[Path]]:
    """The files of each partition; of data without any, all files as one.

    Raises:
        InvalidRequestError: There is nothing to read.
    """
    path = Path(data_path).expanduser()
    found: dict[int, list[Path]] = {}
    for entry in path.iterdir() if path.is_dir() else ():
        match = _PARTITION.fullmatch(entry.name)
        if match:
            found.setdefault(int(match[1]), []).append(entry)
    if not found:
        return [files_of(data_path)]
    return [[f for entry in found[key] for f in files_of(str(entry))] for key in sorted(found)]


def _texts(
    files: list[Path], tokenizer: Tokenizer, numbers: Iterator[int], problems: list[Problem]
) -> Iterator[str]:
    """Texts of files; bad rows go to the problems."""
    for file in files:
        rows = (
            Row(next(numbers), file.name, line, _named(value), broken)
            for line, value, broken in read_file(file)
        )
        first = list(itertools.islice(rows, _BATCH))
        format, there = detect(first)
        if format is None and first:
            raise InvalidRequestError(f"{str(file)!r} has rows of no format: {there}.")
        for row in itertools.chain(first, rows):
            try:
                yield text_of(convert(row, str(format)), tokenizer.library)
            except BadRow as error:
                problems.append(error.of(row))


def text_of(example: Example, library: Any) -> str:
    """What is read of an example: a conversation as its chat template writes it.

    Args:
        example: Of any format; of a preference the better answer.
        library: The tokenizer.
    """
    messages = example.messages
    chosen = example.chosen
    if messages is None and not isinstance(chosen, list):
        parts = (example.prompt, example.text, chosen)
        return "\n".join(part for part in parts if part)
    turns = list(messages or ())
    if isinstance(chosen, list):
        turns += chosen
    else:
        turns += [{"role": "user", "content": example.prompt}] if example.prompt else []
        said = example.text or chosen
        turns += [{"role": "assistant", "content": said}] if said else []
    template = None if library.chat_template else PLAIN_TEMPLATE
    try:
        rendered: str = library.apply_chat_template(
            turns, tools=example.tools, chat_template=template, tokenize=False
        )
    except Exception as error:  # whatever a template raises
        raise BadRow(
            "messages", "template_refuses", f"the chat template refuses it: {error}."
        ) from error
    return rendered


def _named(value: Any) -> Any:
    """A row whose text is in a column of another name, as SQL's ``load text`` has it."""
    if not isinstance(value, dict) or "text" in value:
        return value
    name = next((name for name in _TEXTS if isinstance(value.get(name), str)), None)
    return value if name is None else {**value, "text": value[name]}


def _without_end(text: str, tokenizer: Tokenizer) -> str:
    """A chat template may have written the end token already."""
    end = tokenizer.library.eos_token
    return text.rstrip().removesuffix(end) if end and text.rstrip().endswith(end) else text


def _batches(texts: Iterator[str]) -> Iterator[list[str]]:
    while batch := list(itertools.islice(texts, _BATCH)):
        yield batch


def _refuse(problems: list[Problem], rows: int, bad: BadRows) -> None:
    if not rows:
        raise InvalidRequestError("The data has no rows.")
    if not problems or (bad.skip and len(problems) <= bad.most * rows):
        return
    shown = "; ".join(str(problem).rstrip(".") for problem in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    hint = (
        f"With on_bad_row skip at most {bad.most:.2%} (max_bad_ratio) may be left out"
        if bad.skip
        else "Mend them, or set on_bad_row to skip"
    )
    raise InvalidRequestError(f"{len(problems)} of {rows} rows are bad: {shown}{more}. {hint}.")


def _report(folder: Path, streams: Streams, problems: list[Problem], rows: int) -> None:
    report = {
        "rows": rows,
        "texts": streams.texts,
        "tokens": sum(streams.tokens),
        "tokens_of_workers": list(streams.tokens),
        "bad_rows": len(problems),
        "codes": Findings(rows, problems=problems).codes,
        "problems": [vars(problem) for problem in problems[:1000]],
    }
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (folder.parent / "data_report.json").write_text(f"{text}\n", encoding="utf-8")
