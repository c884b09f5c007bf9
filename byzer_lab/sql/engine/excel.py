"""Excel files, through openpyxl."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.options import Options


def read_excel(paths: Sequence[str], options: Options) -> pa.Table:
    """The rows of a sheet of each file.

    Args:
        paths: The files.
        options: ``header`` (default false), ``sheetName`` (default the first), ``dataAddress``
            such as ``'Sheet1'!B2:D9``, and ``inferSchema`` (default false: texts).

    Raises:
        InvalidRequestError: A file is no workbook, or has no such sheet or cells.
    """
    header = options.truth("header")
    infer = options.truth("inferSchema")
    sheet = options.text("sheetName")
    address = options.text("dataAddress")
    options.skip(("maxRowsInMemory",))
    if "!" in address:
        sheet, _, address = address.rpartition("!")
        sheet = sheet.strip("'")
    tables = [_read(path, sheet, address, header=header, infer=infer) for path in paths]
    return pa.concat_tables(tables, promote_options="permissive")


def _read(path: str, sheet: str, address: str, *, header: bool, infer: bool) -> pa.Table:
    import openpyxl  # type: ignore[import-untyped]
    from openpyxl.utils.exceptions import (  # type: ignore[import-untyped]
        InvalidFileException,
    )

    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (InvalidFileException, OSError, KeyError, ValueError) as error:
        raise InvalidRequestError(f"{path} can't be read as a workbook: {error}.") from error
    try:
        if sheet and sheet not in book.sheetnames:
            raise InvalidRequestError(
                f"{path} has no sheet {sheet!r}; it has: {', '.join(book.sheetnames)}."
            )
        page = book[sheet] if sheet else book.worksheets[0]
        cells = page[address] if address else page.rows
        rows = [[cell.value for cell in row] for row in _rows(cells)]
    except ValueError as error:
        raise InvalidRequestError(f"{address!r} names no cells of {path}: {error}.") from error
    finally:
        book.close()
    return _table(rows, header=header, infer=infer)


def _rows(cells: Any) -> Iterable[Sequence[Any]]:
    if not isinstance(cells, tuple):
        return cells if hasattr(cells, "__iter__") else [[cells]]
    return cells if cells and isinstance(cells[0], tuple) else [cells]


def _table(rows: list[list[Any]], *, header: bool, infer: bool) -> pa.Table:
    width = max((len(row) for row in rows), default=0)
    names = [f"_c{place}" for place in range(width)]
    if header and rows:
        first, *rows = rows
        given = [str(name) if name is not None else "" for name in first]
        names = [name or names[place] for place, name in enumerate(given)]
    columns = [[row[place] if place < len(row) else None for row in rows] for place in range(width)]
    arrays = [_array(column, infer=infer) for column in columns]
    return pa.table(arrays, names=names)


def _array(values: list[Any], *, infer: bool) -> pa.Array:
    if infer:
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            pass  # a column of several types is one of texts
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def write_excel(table: pa.Table, path: Path, *, header: bool, sheet: str) -> None:
    """Write a table as the only sheet of a workbook.

    Args:
        table: The rows.
        path: Of the file.
        header: Begin with the names of the columns.
        sheet: Name of the sheet.
    """
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet(sheet)
    if header:
        page.append(table.column_names)
    for row in table.to_pylist():
        page.append([_cell(value) for value in row.values()])
    book.save(path)


def _cell(value: Any) -> Any:
    return str(value) if isinstance(value, list | dict | bytes) else value
