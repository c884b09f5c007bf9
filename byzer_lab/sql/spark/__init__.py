"""Spark SQL, which the queries of scripts are written in, for DuckDB.

=================  ================================================================================
``dialect.py``     reads it
``translating.py`` works through a query from its leaves up
``functions.py``   functions that are macros of DuckDB; ``macros/`` has their text
``rewriting.py``   functions whose translation needs the text of an argument
``aggregates.py``  functions that gather rows
``lambdas.py``     functions of functions
``generators.py``  functions that give rows, and LATERAL VIEW
``casting.py``     casts
``schemas.py``     schemas of ``from_json``
``names.py``       all the names of these
``refusing.py``    what can't be translated
=================  ================================================================================

What Spark means is what a query means here; ``docs/sql-differences.md`` lists what is left.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, SqlglotError, TokenError, UnsupportedError

from byzer_lab.sql.language.places import START, Position, ScriptError, position_in
from byzer_lab.sql.language.tokens import Kind, tokenize
from byzer_lab.sql.spark.dialect import SparkReader
from byzer_lab.sql.spark.functions import install
from byzer_lab.sql.spark.refusing import DIRECTIONS
from byzer_lab.sql.spark.translating import translated

VELOCITY = ("set", "foreach", "if", "elseif", "else", "end", "macro", "include", "parse")
"""Directives of the language that the original fills templates with."""

_WINDOW = re.compile(r"\bwindow\s*\(", re.I)

__all__ = ["Translated", "install", "parse_select", "to_duckdb", "translate"]


@dataclass(frozen=True)
class Translated:
    """A query for DuckDB.

    Attributes:
        sql: Its text.
        tables: The tables that it reads, as they are written, in the order of their names.
        tree: The query as Spark means it.
    """

    sql: str
    tables: list[str]
    tree: exp.Query


def parse_select(text: str) -> exp.Query:
    """Read a query of Spark SQL.

    Functions that nobody knows are :class:`sqlglot.exp.Anonymous`, as are most of Spark's.

    Raises:
        ScriptError: It can't be read. The place counts in ``text``.
    """
    _refuse_velocity(text)
    try:
        tree = SparkReader().parse(_plain_blocks(text), error_level=ErrorLevel.IMMEDIATE)
    except ParseError as error:
        raise _unread(error, text) from None
    except (TokenError, SqlglotError) as error:
        raise ScriptError(f"the query can't be read: {error}", START, script=text) from None
    if len(tree) != 1 or not isinstance(tree[0], exp.Query):
        raise ScriptError("this is no query", START, "It begins with select or with.", text)
    return tree[0]


def _unread(error: ParseError, text: str) -> ScriptError:
    found = error.errors[0] if error.errors else {}
    at = START
    if found.get("line"):
        width = len(str(found.get("highlight") or " "))
        at = Position(int(found["line"]), max(1, int(found["col"]) - width + 1))
    if used := _WINDOW.search(text):
        return ScriptError(
            "`window` is not supported", position_in(text, used.start()), DIRECTIONS["window"], text
        )
    what = str(found.get("description") or error).rstrip(".")
    near = found.get("highlight")
    problem = f"the query can't be read at `{near}`: {what}" if near else f"the query: {what}"
    return ScriptError(problem, at, script=text)


def _refuse_velocity(text: str) -> None:
    if "#" not in text:
        return
    tokens = tokenize(text)
    for mark, token in pairwise(tokens):
        if mark.is_mark("#") and (token.is_word(*VELOCITY) or token.is_mark("[")):
            raise ScriptError(
                f"`#{token.text}` is a directive of Velocity, which is not supported",
                position_in(text, mark.start),
                "Use ${name}, or !if ... !fi; around the statement.",
                text,
            )


def _plain_blocks(text: str) -> str:
    """A query whose block strings are plain ones."""
    if "'''" not in text:
        return text
    parts, end = [], 0
    for token in tokenize(text):
        if token.kind is Kind.BLOCK:
            value = token.value.replace("\\", "\\\\").replace("'", "\\'")
            parts.append(text[end : token.start] + f"'{value}'")
            end = token.end
    return "".join([*parts, text[end:]])


def to_duckdb(query: exp.Expr) -> str:
    """A query that :func:`parse_select` read, as DuckDB's SQL.

    Raises:
        ScriptError: Something in it has no like in DuckDB.
    """
    if not isinstance(query, exp.Query):
        raise ScriptError("this is no query", START, "It begins with select or with.")
    try:
        return translated(query).sql(
            "duckdb",
            normalize_functions=False,
            comments=False,
            unsupported_level=ErrorLevel.RAISE,
        )
    except UnsupportedError as error:
        raise ScriptError(f"not supported: {error}", START) from None


def translate(text: str, *, at: Position = START) -> Translated:
    """Read a query and translate it.

    Args:
        text: Spark SQL.
        at: Where it stands in a script: errors tell places of the script.

    Raises:
        ScriptError: It can't be read or translated.
    """
    try:
        tree = parse_select(text)
        sql = to_duckdb(tree)
    except ScriptError as error:
        raise ScriptError(error.problem, at.after(error.at), error.hint) from None
    own = {one.alias for one in tree.find_all(exp.CTE)}
    names = (
        ".".join(part.name for part in table.parts)
        for table in tree.find_all(exp.Table)
        if isinstance(table.this, exp.Identifier)
    )
    return Translated(sql, sorted({one for one in names if one not in own}), tree)
