"""Functions of Spark that are macros of DuckDB: which there are, and calls of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from typing import Any

import sqlglot
from sqlglot import exp

PREFIX = "spark_"
FILES = ("values", "strings", "numbers", "dates", "nested")
_MACRO = re.compile(r"create or replace macro (\w+)\s*(.*?);\n", re.S)
_OVERLOAD = re.compile(r"(?:^|,\n\s+)\(((?:[^()]|\([^()]*\))*)\) as\b", re.S)


def call(name: str, *arguments: exp.Expr) -> exp.Expr:
    """A call of a function of DuckDB by its name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def _made(template: str) -> Callable[[exp.Expr], exp.Expr]:
    def wrap(argument: exp.Expr) -> exp.Expr:
        tree = sqlglot.parse_one(template, read="duckdb")
        for column in list(tree.find_all(exp.Column)):
            if column.name == "x":
                column.replace(argument.copy())
        return tree

    return wrap


COERCIONS: dict[str, Callable[[exp.Expr], exp.Expr]] = {
    "text": _made("spark_text(x)"),
    "date": _made("spark_date(x)"),
    "time": _made("spark_timestamp(x)"),
    "number": _made("spark_operand(x)"),
    "whole": _made("spark_whole(x)"),
    "days": _made("cast(spark_whole(x) as int)"),
    "long": _made("spark_cast_bigint(spark_whole(x))"),
    "joined": _made("spark_joined(x)"),
    "texts": _made("list_transform(x, lambda one: spark_text(one))"),
}
"""What an argument becomes, by how the name of its parameter begins."""


@cache
def scripts() -> tuple[str, ...]:
    """The texts that make the macros."""
    folder = resources.files(__package__) / "macros"
    return tuple((folder / f"{name}.sql").read_text("utf-8") for name in FILES)


@cache
def macros() -> dict[str, list[list[str]]]:
    """Spark's names of the functions, each with the parameters of its overloads."""
    found: dict[str, list[list[str]]] = {}
    for script in scripts():
        for name, definition in _MACRO.findall(script):
            found[name.removeprefix(PREFIX)] = [
                [parameter.split()[0] for parameter in _parameters(listed)]
                for listed in _OVERLOAD.findall(definition)
            ]
    return found


@cache
def typed() -> frozenset[str]:
    """Macros that look at the types of their arguments, by their names in DuckDB."""
    return frozenset(
        name
        for script in scripts()
        for name, definition in _MACRO.findall(script)
        if any(
            len(parameter.split()) > 1
            for listed in _OVERLOAD.findall(definition)
            for parameter in _parameters(listed)
        )
    )


def _parameters(listed: str) -> list[str]:
    return [one for one in re.split(r",\s*(?![^()]*\))", listed.strip()) if one]


def install(connection: Any) -> None:
    """Make the macros in a connection of DuckDB."""
    for script in scripts():
        connection.execute(script)
    connection.execute("set error_on_division_by_zero=false")


def macro(name: str, arguments: Sequence[exp.Expr]) -> exp.Expr | None:
    """A call of a macro, its arguments coerced.

    Args:
        name: Spark's name of the function, in lower case.
        arguments: Of the call.

    Returns:
        The call, or ``None`` where the macro takes another number of arguments.
    """
    parameters = next(
        (one for one in macros()[name] if _takes(one, len(arguments))),
        None,
    )
    if parameters is None:
        return None
    coerced = []
    for parameter, argument in zip(parameters, arguments, strict=False):
        coerce = COERCIONS.get(parameter.partition("_")[0]) if "_" in parameter else None
        coerced.append(coerce(argument) if coerce else argument.copy())
    return call(PREFIX + name, *coerced)


def _takes(parameters: Sequence[str], number: int) -> bool:
    return len(parameters) == number


def arities(name: str) -> list[int]:
    """How many arguments a macro takes."""
    return sorted({len(parameters) for parameters in macros()[name]})
