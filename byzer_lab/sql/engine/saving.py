"""The formats and modes of ``save``.

What is written lies beside its place until it is whole, and is then moved there in one step. A path
with the format's own ending is a file, any other one a folder of parts.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.base import Engine
from byzer_lab.sql.engine.excel import write_excel
from byzer_lab.sql.engine.loading import FORMATS
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import files, local

Mode = Literal["overwrite", "append", "errorIfExists", "ignore"]
MODES: tuple[Mode, ...] = ("overwrite", "append", "errorIfExists", "ignore")

_ENDINGS = {
    "csv": ("csv", "tsv"),
    "json": ("json", "jsonl", "ndjson"),
    "jsonl": ("jsonl", "json", "ndjson"),
    "parquet": ("parquet",),
    "text": ("txt", "text", "md"),
    "excel": ("xlsx",),
}


def save(
    engine: Engine,
    query: str,
    kind: str,
    path: str,
    given: Mapping[str, str],
    mode: str = "errorIfExists",
    partition_by: Sequence[str] = (),
) -> bool:
    """Write the rows of a query.

    Args:
        engine: Has the rows.
        query: The query.
        kind: The format.
        path: Where to.
        given: Options: ``fileNum`` (parts of a folder), and those of the format.
        mode: What to do where something is already.
        partition_by: Columns whose values become folders.

    Returns:
        Whether anything was written: mode ``ignore`` leaves what is there.

    Raises:
        InvalidRequestError: Something is there already, or format, mode or an option is not known.
    """
    kind, mode = kind.lower(), _mode(mode)
    if kind not in _ENDINGS:
        close = get_close_matches(kind, _ENDINGS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is: {', '.join(_ENDINGS)}."
        raise InvalidRequestError(f"There is no format {kind!r} to save; {hint}")
    options = Options(f"save {kind}", given)
    parts = options.number("fileNum", default=1, least=1) or 1
    target = local(path)
    if target.exists() and mode == "ignore":
        return False
    if target.exists() and mode == "errorIfExists":
        raise InvalidRequestError(
            f"{target} is there already; write 'save overwrite' to replace it, or 'save append'."
        )
    single = target.suffix.lstrip(".").lower() in _ENDINGS[kind] or kind == "excel"
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}")
    try:
        if single:
            if partition_by:
                raise InvalidRequestError(
                    f"partitionBy makes folders, and {target.name} is a file; save to a path "
                    f"without .{_ENDINGS[kind][0]}."
                )
            if mode == "append" and target.exists():
                query = _with_present(engine, query, kind, target)
            _write(engine, query, kind, made, options)
        else:
            made.mkdir()
            _write_folder(engine, query, kind, made, options, parts, partition_by)
        options.end()
        _move(made, target, append=mode == "append" and not single)
    finally:
        if made.is_dir():
            shutil.rmtree(made, ignore_errors=True)
        else:
            made.unlink(missing_ok=True)
    return True


def _mode(mode: str) -> Mode:
    for known in MODES:
        if known.lower() == mode.lower():
            return known
    raise InvalidRequestError(f"There is no mode {mode!r} of save; there is: {', '.join(MODES)}.")


def _write_folder(
    engine: Engine,
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


def _write(engine: Engine, query: str, kind: str, path: Path, options: Options) -> None:
    if kind == "excel":
        header = options.truth("header", default=True)
        sheet = options.text("sheetName", default="Sheet1")
        with path.open("wb"):
            write_excel(engine.query(query), path, header=header, sheet=sheet)
        return
    _copy(engine, query, kind, path, options, "")


def _copy(engine: Engine, query: str, kind: str, path: Path, options: Options, more: str) -> None:
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


def _with_present(engine: Engine, query: str, kind: str, target: Path) -> str:
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
