"""Reading Spark SQL: sqlglot's reader, with our functions left as they were written."""

from __future__ import annotations

from typing import Any

from sqlglot.dialects.spark import Spark
from sqlglot.parsers.spark import SparkParser

from byzer_lab.sql.spark.functions import macros
from byzer_lab.sql.spark.names import OWN


def _own(functions: dict[str, Any]) -> dict[str, Any]:
    """Functions of sqlglot without those that we translate ourselves."""
    own = {name.upper() for name in (*macros(), *OWN)}
    return {name: value for name, value in functions.items() if name.upper() not in own}


_WITH_SYNTAX = {"SUBSTRING", "SUBSTR", "POSITION", "OVERLAY", "TRIM", "EXTRACT", "CAST", "TRY_CAST"}


class SparkReader(Spark):
    """Spark's SQL as Byzer runs it: a doubled quote is a quote, and ANSI mode is off."""

    class Tokenizer(Spark.Tokenizer):
        STRING_ESCAPES = ["\\", "'", '"']

    class Parser(SparkParser):
        FUNCTIONS = _own(SparkParser.FUNCTIONS)
        FUNCTION_PARSERS = {
            name: value
            for name, value in SparkParser.FUNCTION_PARSERS.items()
            if name in _WITH_SYNTAX or name in _own({name: value})
        }
