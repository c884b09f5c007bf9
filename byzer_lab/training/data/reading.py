"""Rows of files: JSON lines, JSON, CSV, Parquet and text."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from byzer_lab.errors import InvalidRequestError, describe

Found = tuple[int | None, Any, str | None]
"""Line, value, and why it can't be read."""


def files_of(data_path: str) -> list[Path]:
    """The files of rows at a path, in the order of their names.

    Args:
        data_path: A file, or a folder; folders within it count too, hidden files don't.

    Raises:
        InvalidRequestError: There are none.
    """
    path = Path(data_path).expanduser()
    if path.is_file():
        if _reader(path) is None:
            raise InvalidRequestError(
                f"{str(path)!r} is no file of rows that can be read; use one of {KINDS}."
            )
        return [path]
    if not path.is_dir():
        raise InvalidRequestError(
            f"There is no data at {str(path)!r}: give a file ({KINDS}) or a folder with some."
        )
    inside = (file for file in sorted(path.rglob("*")) if file.is_file())
    shown = [file for file in inside if not _hidden(file.relative_to(path))]
    files = [file for file in shown if _reader(file) is not None]
    if not files:
        names = ", ".join(file.name for file in shown[:3]) or "nothing"
        raise InvalidRequestError(
            f"The folder {str(path)!r} has no file of rows ({KINDS}); it holds {names}."
        )
    return files


def read_file(path: Path) -> Iterator[Found]:
    """Rows of one file.

    Raises:
        InvalidRequestError: The file as a whole can't be read.
    """
    reader = _reader(path)
    assert reader is not None, path
    try:
        yield from reader(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidRequestError(f"{str(path)!r} can't be read: {describe(error)}.") from error


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


def _reader(path: Path) -> Callable[[Path], Iterator[Found]] | None:
    return _READERS.get(path.suffix.lower())


def _lines(path: Path) -> Iterator[Found]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield (number, *_loads(line))


def _json(path: Path) -> Iterator[Found]:
    """A list of rows, or what is JSON lines under another name, or a single row."""
    with path.open(encoding="utf-8-sig") as file:
        begin = file.read(1)
        while begin and begin.isspace():
            begin = file.read(1)
    if begin != "[":
        found = list(_lines(path))
        if len(found) > 1 and all(broken for _, _, broken in found):
            text = path.read_text(encoding="utf-8-sig")
            value, broken = _loads(text)  # one row over many lines
            found = [(1, value, broken)]
        yield from found
        return
    text = path.read_text(encoding="utf-8-sig")
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise InvalidRequestError(f"{str(path)!r} is no valid JSON: {error}.") from error
    for value in rows:
        yield None, value, None


def _csv(path: Path) -> Iterator[Found]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as file:
        delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
        rows = csv.reader(file, delimiter=delimiter)
        names = next(rows, [])
        line = rows.line_num + 1
        for cells in rows:
            if len(cells) == len(names):
                yield (
                    line,
                    {name: _cell(cell) for name, cell in zip(names, cells, strict=True)},
                    None,
                )
            elif cells:
                yield line, cells, f"it has {len(cells)} cells where the header has {len(names)}"
            line = rows.line_num + 1


def _cell(cell: str) -> Any:
    """A list or a mapping that was written into a cell as JSON, else the text."""
    if cell[:1] in "[{" and cell[-1:] in "]}" and cell:
        try:
            return json.loads(cell)
        except ValueError:
            return cell
    return cell


def _parquet(path: Path) -> Iterator[Found]:
    import pyarrow
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=1024):
                for value in batch.to_pylist():
                    yield None, value, None
    except pyarrow.ArrowException as error:
        raise InvalidRequestError(f"{str(path)!r} is no valid Parquet file: {error}.") from error


def _text(path: Path) -> Iterator[Found]:
    """The whole file is one row: a document may have empty lines."""
    text = path.read_text(encoding="utf-8-sig")
    if text.strip():
        yield 1, {"text": text}, None


def _loads(text: str) -> tuple[Any, str | None]:
    try:
        return json.loads(text), None
    except ValueError as error:
        return text, f"it is no valid JSON: {error}"


_READERS: dict[str, Callable[[Path], Iterator[Found]]] = {
    ".jsonl": _lines,
    ".ndjson": _lines,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".txt": _text,
    ".text": _text,
}
KINDS = ", ".join(_READERS)
