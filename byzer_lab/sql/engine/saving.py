"""The formats and modes of ``save``.

What is written lies beside its place until it is whole, and is then moved there in one step. A path
with the format's own ending is a file, any other one a folder of parts.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.base import Place
from byzer_lab.sql.engine.excel import write_excel
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import files, local
from byzer_lab.sql.engine.reading import FORMATS

if TYPE_CHECKING:
    from byzer_lab.sql.engine.duck import DuckEngine

MODES = ("overwrite", "append", "errorIfExists", "ignore")

_ENDINGS = {
    "csv": ("csv", "tsv"),
    "json": ("json", "jsonl", "ndjson"),
    "jsonl": ("jsonl", "json", "ndjson"),
    "parquet": ("parquet",),
    "text": ("txt", "text", "md"),
    "excel": ("xlsx",),
}


def checked(place: Place) -> Place:
    """A place whose mode is one of :data:`MODES` and whose format is known.

    Raises:
        InvalidRequestError: It is not.
    """
    mode = next((one for one in MODES if one.lower() == place.mode.lower()), None)
    if mode is None:
        raise InvalidRequestError(
            f"There is no mode {place.mode!r} of save; there is: {', '.join(MODES)}."
        )
    kind = place.kind.lower()
    if kind not in _ENDINGS:
        close = get_close_matches(kind, _ENDINGS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is: {', '.join(_ENDINGS)}."
        raise InvalidRequestError(f"There is no format {kind!r} to save; {hint}")
    return replace(place, kind=kind, mode=mode)


def is_file(place: Place) -> bool:
    """Whether a place is a file, not a folder of parts."""
    ending = PurePath(place.path.strip()).suffix
    return ending.removeprefix(".").lower() in _ENDINGS[place.kind] or place.kind == "excel"


def put(place: Place, make: Callable[[Path, bool], None]) -> bool:
    """Make files of this machine: beside their place, and then, when they are whole, there.

    Args:
        place: Where to; see :func:`checked`.
        make: Makes the file or the folder at a path; told whether it is to have the rows that are
            there already as well.

    Returns:
        Whether anything was made: mode ``ignore`` leaves what is there.

    Raises:
        InvalidRequestError: Something is there already.
    """
    target = local(place.path)
    if target.exists() and place.mode == "ignore":
        return False
    if target.exists() and place.mode == "errorIfExists":
        raise InvalidRequestError(
            f"{target} is there already; write 'save overwrite' to replace it, or 'save append'."
        )
    append = place.mode == "append" and target.exists()
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        make(made, append and is_file(place))
        _move(made, target, append=append and not is_file(place))
    finally:
        if made.is_dir():
            shutil.rmtree(made, ignore_errors=True)
        else:
            made.unlink(missing_ok=True)
    return True


def save(engine: DuckEngine, query: str, place: Place) -> bool:
    """Write the rows of a query of DuckDB to files of this machine.

    Args:
        engine: DuckDB.
        query: The query.
        place: Where to; ``fileNum`` of its options is the number of parts of a folder.

    Returns:
        Whether anything was written: mode ``ignore`` leaves what is there.

    Raises:
        InvalidRequestError: Something is there already, or format, mode or an option is not known.
    """
    place = checked(place)
    options = Options(f"save {place.kind}", place.options)
    parts = options.number("fileNum", default=1, least=1) or 1

    def make(made: Path, with_present: bool) -> None:
        if not is_file(place):
            made.mkdir()
            _write_folder(engine, query, place.kind, made, options, parts, place.partition_by)
        elif place.partition_by:
            raise InvalidRequestError(
                f"partitionBy makes folders, and {place.path} is a file; save to a path without "
                f".{_ENDINGS[place.kind][0]}."
            )
        else:
            rows = query
            if with_present:
                rows = _with_present(engine, query, place.kind, local(place.path))
            _write(engine, rows, place.kind, made, options)
        options.end()

    return put(place, make)


def _write_folder(
    engine: DuckEngine,
    query: str,
    kind: str,
    folder: Path,
    options: Options,
    parts: int,
    partition_by: Sequence[str],
) -> None:
    name = uuid.uuid4().hex[:12]
    ending = _ENDINGS[kind][0]
    if partition_by:
        columns = ", ".join('"' + column.replace('"', '""') + '"' for column in partition_by)
        pattern = f"part-{name}-{{i}}"
        _copy(
            engine, query, kind, folder, options,
            f", partition_by ({columns}), filename_pattern '{pattern}'",
        )  # fmt: skip
        return
    for part in range(parts):
        some = query
        if parts > 1:
            some = (
                f"select * exclude (__part) from (select *, row_number() over () % {parts} as "
                f"__part from ({query})) where __part = {part}"
            )
        _write(engine, some, kind, folder / f"part-{part:05}-{name}.{ending}", options)


def _write(engine: DuckEngine, query: str, kind: str, path: Path, options: Options) -> None:
    if kind == "excel":
        header = options.truth("header", default=True)
        sheet = options.text("sheetName", default="Sheet1")
        with path.open("wb"):
            write_excel(engine.query(query), path, header=header, sheet=sheet)
        return
    _copy(engine, query, kind, path, options, "")


def _copy(
    engine: DuckEngine, query: str, kind: str, path: Path, options: Options, more: str
) -> None:
    settings = "format parquet"
    if kind in ("json", "jsonl"):
        settings = "format json"
    elif kind in ("csv", "text"):
        settings = "format csv, header " + str(options.truth("header", default=False)).lower()
        separator = options.text("sep", "delimiter")
        if separator:
            settings += f", delimiter '{separator.replace(chr(39), chr(39) * 2)}'"
    if kind == "text":
        content = options.text("contentColumn", default="value").replace('"', '""')
        query = f'select "{content}" from ({query})'
        settings = "format csv, header false, quote '', escape '', delimiter '\\x01'"
    target = str(path).replace("'", "''")
    engine.execute(f"copy ({query}) to '{target}' ({settings}{more})")


def _with_present(engine: DuckEngine, query: str, kind: str, target: Path) -> str:
    if kind == "excel":
        raise InvalidRequestError("A workbook can't be appended to; write 'save overwrite'.")
    given = {"header": "true", "inferSchema": "true"} if kind == "csv" else {}
    present = FORMATS[kind](engine, files(str(target)), Options(f"save {kind}", given))
    if kind == "text":
        present = f"select value from ({present})"
    return f"select * from ({present}) union all by name select * from ({query})"


def _move(made: Path, target: Path, *, append: bool) -> None:
    if append and target.exists():
        for file in sorted(made.rglob("*")):
            if file.is_file():
                place = target / file.relative_to(made)
                place.parent.mkdir(parents=True, exist_ok=True)
                file.replace(place)
        return
    if not target.exists() or (target.is_file() and made.is_file()):
        made.replace(target)
        return
    old = target.with_name(f"{made.name}.old")
    target.replace(old)
    made.replace(target)
    shutil.rmtree(old) if old.is_dir() else old.unlink()
