"""Schemas of Spark (``a int, b array<string>``) as structures of DuckDB's JSON functions."""

from __future__ import annotations

import json
from typing import Any

import sqlglot
from sqlglot import exp

_NAMES = {
    exp.DType.TINYINT: "TINYINT",
    exp.DType.SMALLINT: "SMALLINT",
    exp.DType.INT: "INTEGER",
    exp.DType.BIGINT: "BIGINT",
    exp.DType.FLOAT: "FLOAT",
    exp.DType.DOUBLE: "DOUBLE",
    exp.DType.TEXT: "VARCHAR",
    exp.DType.VARCHAR: "VARCHAR",
    exp.DType.BOOLEAN: "BOOLEAN",
    exp.DType.DATE: "DATE",
    exp.DType.TIMESTAMP: "TIMESTAMP",
    exp.DType.TIMESTAMPTZ: "TIMESTAMP",
    exp.DType.TIMESTAMPNTZ: "TIMESTAMP",
    exp.DType.TIMESTAMPLTZ: "TIMESTAMP",
}


def read(schema: str) -> exp.DataType:
    """A schema as a type: a list of columns is a struct.

    Raises:
        SqlglotError: It can't be read.
    """
    written = schema.strip()
    try:
        kind = sqlglot.parse_one(written, into=exp.DataType, read="spark")
    except sqlglot.errors.SqlglotError:
        columns = f"STRUCT<{written}>"
        kind = sqlglot.parse_one(columns, into=exp.DataType, read="spark")
    if not isinstance(kind, exp.DataType):
        raise ValueError("it is no type")
    return kind


def structure(schema: str) -> tuple[str, str]:
    """What ``json_transform`` takes, and the JSON that gives a struct without values.

    The second text is empty where Spark gives NULL for what is no JSON: for arrays and maps.

    Raises:
        ValueError: A type in it is not supported.
        SqlglotError: It can't be read.
    """
    kind = read(schema)
    return json.dumps(_shape(kind)), "{}" if kind.is_type(exp.DType.STRUCT) else ""


def _shape(kind: exp.DataType) -> Any:
    if kind.is_type(exp.DType.ARRAY):
        return [_shape(kind.expressions[0])]
    if kind.is_type(exp.DType.STRUCT):
        return {column.name: _shape(_type_of(column)) for column in kind.expressions}
    if kind.is_type(exp.DType.MAP):
        key, value = (duckdb_type(one) for one in kind.expressions)
        return f"MAP({key}, {value})"
    return duckdb_type(kind)


def _type_of(column: exp.Expr) -> exp.DataType:
    kind = column.args.get("kind")
    if not isinstance(kind, exp.DataType):
        raise ValueError(f"`{column.sql('spark')}` has no type")
    return kind


def duckdb_type(kind: exp.DataType) -> str:
    """A type in DuckDB's words.

    Raises:
        ValueError: It is not supported.
    """
    if kind.is_type(exp.DType.ARRAY):
        return f"{duckdb_type(kind.expressions[0])}[]"
    if kind.is_type(exp.DType.MAP):
        return f"MAP({', '.join(duckdb_type(one) for one in kind.expressions)})"
    if kind.is_type(exp.DType.STRUCT):
        columns = (
            f"{exp.to_identifier(one.name, quoted=True).sql('duckdb')} {duckdb_type(_type_of(one))}"
            for one in kind.expressions
        )
        return f"STRUCT({', '.join(columns)})"
    if kind.is_type(exp.DType.DECIMAL):
        return kind.sql("duckdb") if kind.expressions else "DECIMAL(10, 0)"
    if kind.this in _NAMES:
        return _NAMES[kind.this]
    raise ValueError(f"the type `{kind.sql('spark').lower()}` is not supported")
