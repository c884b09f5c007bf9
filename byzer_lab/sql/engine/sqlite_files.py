"""SQLite files as databases of ``connect jdbc``, without an extension that must be fetched."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from byzer_lab.errors import InvalidRequestError

_TYPES = (
    (pa.types.is_integer, "INTEGER"),
    (pa.types.is_boolean, "INTEGER"),
    (pa.types.is_floating, "REAL"),
    (pa.types.is_decimal, "REAL"),
    (pa.types.is_binary, "BLOB"),
)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection, connection:
            yield connection
    except sqlite3.Error as error:
        raise InvalidRequestError(f"The database {path}: {error}.") from error


def read(path: Path, query: str) -> pa.Table:
    """The rows of a query of SQLite's dialect."""
    with _opened(path) as connection:
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchall()
    if not names:
        raise InvalidRequestError("directQuery has no rows; it must be a select.")
    return pa.table([_array([row[place] for row in rows]) for place in range(len(names))], names)


def read_table(path: Path, table: str) -> pa.Table:
    """The rows of a table."""
    return read(path, f"select * from {_quoted(table)}")


def write(path: Path, table: str, rows: pa.Table, mode: str) -> None:
    """Write a table in one transaction.

    Args:
        path: The database; made where it is missing.
        table: Name of the table.
        rows: What to write.
        mode: As of ``save``, in small letters.
    """
    columns = ", ".join(f"{_quoted(field.name)} {_type(field.type)}" for field in rows.schema)
    with _opened(path) as connection:
        there = connection.execute(
            "select 1 from sqlite_master where name = ? and type in ('table', 'view')", (table,)
        ).fetchone()
        if there and mode == "ignore":
            return
        if there and mode == "errorifexists":
            raise InvalidRequestError(f"{path} has a table {table!r} already; save overwrite it.")
        connection.execute("begin")
        if there and mode == "overwrite":
            connection.execute(f"drop table {_quoted(table)}")
        if not there or mode == "overwrite":
            connection.execute(f"create table {_quoted(table)} ({columns})")
        names = ", ".join(_quoted(name) for name in rows.column_names)
        marks = ", ".join("?" * rows.num_columns)
        values = ([_value(value) for value in row.values()] for row in rows.to_pylist())
        connection.executemany(f"insert into {_quoted(table)} ({names}) values ({marks})", values)


def _array(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # SQLite mixes types in a column
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _type(kind: pa.DataType) -> str:
    return next((name for fits, name in _TYPES if fits(kind)), "TEXT")


def _value(value: Any) -> Any:
    return value if isinstance(value, int | float | bytes | str | None) else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
