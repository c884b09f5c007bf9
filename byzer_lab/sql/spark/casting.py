"""``cast`` as Spark does it when ANSI mode is off."""

from __future__ import annotations

import re

from sqlglot import exp

from byzer_lab.sql.spark.functions import COERCIONS, macro
from byzer_lab.sql.spark.schemas import duckdb_type

_MACROS = {
    exp.DType.TINYINT: "cast_tinyint",
    exp.DType.SMALLINT: "cast_smallint",
    exp.DType.INT: "cast_int",
    exp.DType.BIGINT: "cast_bigint",
    exp.DType.FLOAT: "cast_float",
    exp.DType.DOUBLE: "cast_double",
    exp.DType.TEXT: "cast_string",
    exp.DType.VARCHAR: "cast_string",
    exp.DType.CHAR: "cast_string",
    exp.DType.BOOLEAN: "cast_boolean",
    exp.DType.BINARY: "cast_binary",
    exp.DType.VARBINARY: "cast_binary",
}
_TIMES = (
    exp.DType.TIMESTAMP,
    exp.DType.TIMESTAMPTZ,
    exp.DType.TIMESTAMPNTZ,
    exp.DType.TIMESTAMPLTZ,
)
_PLAIN = {
    exp.DType.DATE: re.compile(r"\d{4}-\d{2}-\d{2}"),
    exp.DType.TIMESTAMP: re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?"),
}


def cast(value: exp.Expr, kind: exp.DataType) -> exp.Expr:
    """The cast of a value; what can't be cast is NULL.

    Raises:
        ValueError: The type is not supported.
    """
    to = kind.this
    if to in _TIMES:
        to = exp.DType.TIMESTAMP
    if to in _PLAIN and isinstance(value, exp.Literal) and _PLAIN[to].fullmatch(value.name):
        return exp.Cast(this=value, to=exp.DataType.build(to.value, dialect="duckdb"))
    if to is exp.DType.DATE:
        return COERCIONS["date"](value)
    if to is exp.DType.TIMESTAMP:
        return COERCIONS["time"](value)
    if to in _MACROS:
        made = macro(_MACROS[to], [value])
        assert made is not None
        return made
    if to is exp.DType.INTERVAL:
        return exp.Cast(this=value, to=kind)
    written = exp.DataType.build(duckdb_type(kind), dialect="duckdb")
    return exp.TryCast(this=value, to=written)
