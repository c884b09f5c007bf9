"""The first pass over the rows: every one is read and checked, the good ones are kept."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from byzer_lab.errors import InvalidRequestError
from byzer_lab.training.data.formats import convert, detect, fits
from byzer_lab.training.data.reading import files_of, read_file
from byzer_lab.training.data.rows import BadRow, Example, Findings, Problem, Row

_LOOKED_AT = 50  # first rows of a file, by whose columns its format is known
_IN_SENTENCE = 5
_IN_DETAILS = 20


def check_rows(
    data_path: str, findings: Findings, *, preferences: bool = False
) -> Iterator[Example]:
    """Read all rows.

    Args:
        data_path: A file, or a folder.
        findings: What is found is added here.
        preferences: The rows must say which of two answers is better; else what is preferred there
            is the answer.

    Yields:
        The good rows.

    Raises:
        InvalidRequestError: There is no file of rows, or one can't be read as a whole.
    """
    seen: set[bytes] = set()
    for path in files_of(data_path):
        rows = _rows(path, findings.rows)
        first = list(itertools.islice(rows, _LOOKED_AT))
        format, columns = detect(first)
        findings.formats[path.name] = format or "unknown"
        for row in itertools.chain(first, rows):
            findings.rows += 1
            try:
                if format is None and row.broken is None:
                    raise BadRow("", "unknown_format", f"its format is unknown: {columns}.")
                own = format if format is None or fits(row, format) else detect([row])[0]
                example = _fitting(convert(row, own or format or "text"), preferences, row)
            except BadRow as bad:
                findings.problems.append(bad.of(row))
                continue
            digest = hashlib.blake2b(_said(example).encode(), digest_size=12).digest()
            findings.duplicates += digest in seen
            seen.add(digest)
            yield replace(example, file=row.file, line=row.line)


def refuse_bad_rows(
    problems: list[Problem], rows: int, *, skip: bool, max_bad_ratio: float, report: str
) -> None:
    """Raise where bad rows are not to be left out, or are too many, or none is left.

    Args:
        problems: Of the bad rows.
        rows: How many rows there are.
        skip: Leave bad rows out.
        max_bad_ratio: As long as they are no larger share of all.
        report: Where all of them are listed.

    Raises:
        InvalidRequestError: Names the first ones; ``details`` has more of them, and how many each
            code has.
    """
    if rows == 0:
        raise InvalidRequestError("The data has no rows, so there is nothing to learn.")
    bad = len(problems)
    if bad == 0 or (skip and bad <= max_bad_ratio * rows and bad < rows):
        return
    first = "; ".join(str(problem).rstrip(".") for problem in problems[:_IN_SENTENCE])
    more = f"; and {bad - _IN_SENTENCE} more, listed in {report}" if bad > _IN_SENTENCE else ""
    if skip:
        advice = f"that is more than max_bad_ratio ({max_bad_ratio:g}) allows to leave out"
    else:
        advice = "mend them, or set on_bad_row to skip to leave them out"
    raise InvalidRequestError(
        f"{bad} of {rows} rows can't be trained on ({advice}): {first}{more}.",
        problems=[vars(problem) for problem in problems[:_IN_DETAILS]],
        codes=Findings(problems=problems).codes,
        report=report,
    )


def _rows(path: Path, before: int) -> Iterator[Row]:
    for number, (line, value, broken) in enumerate(read_file(path), before + 1):
        yield Row(number, path.name, line, value, broken)


def _fitting(example: Example, preferences: bool, row: Row) -> Example:
    if preferences and example.chosen is None:
        raise BadRow(
            "", "missing_field", "it has no chosen and rejected answers, which dpo learns from."
        )
    if preferences or example.chosen is None:
        return example
    if example.prompt:
        return Example(row.number, example.messages, prompt=example.prompt, text=example.chosen)
    messages = [*(example.messages or ()), *example.chosen]
    return Example(row.number, messages, example.tools)


def _said(example: Example) -> str:
    """What counts when two rows are compared."""
    return replace(example, row=0, file="", line=None).to_json()
