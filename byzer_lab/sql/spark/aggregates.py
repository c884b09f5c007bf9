"""Aggregates whose name or value is another one in DuckDB."""

from __future__ import annotations

from collections.abc import Callable

import sqlglot
from sqlglot import exp

from byzer_lab.sql.spark.functions import call
from byzer_lab.sql.spark.refusing import refused

Arguments = list[exp.Expr]
Aggregate = Callable[[exp.Anonymous, Arguments], exp.Expr]


def _renamed(name: str, most: int = 1) -> Aggregate:
    """Another name; arguments behind ``most`` say how exact Spark is, and DuckDB is exact."""
    return lambda node, arguments: call(name, *(one.copy() for one in arguments[:most]))


def _template(text: str) -> Aggregate:
    def made(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
        tree = sqlglot.parse_one(text, read="duckdb")
        for column in list(tree.find_all(exp.Column)):
            column.replace(arguments[0].copy())
        return exp.Paren(this=tree)

    return made


def _percentile(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    if len(arguments) != 2:
        raise refused(node, "`percentile` is supported with a value and a share only")
    return call("quantile_cont", *(one.copy() for one in arguments))


def _without_nulls(name: str, *, none_is_empty: bool) -> Aggregate:
    """An aggregate of the values that are not NULL."""

    def made(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
        distinct = isinstance(arguments[0], exp.Distinct)
        value = arguments[0].expressions[0] if distinct else arguments[0]
        unique = distinct or node.name.lower() == "collect_set"
        inner = exp.Distinct(expressions=[value.copy()]) if unique else value.copy()
        gathered = call(name, inner)
        there = exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))
        if isinstance(node.parent, exp.Filter):
            where = node.parent.expression
            where.set("this", exp.and_(where.this.copy(), there))
            return gathered
        made = exp.Filter(this=gathered, expression=exp.Where(this=there))
        if none_is_empty and not isinstance(node.parent, exp.Window):
            return exp.func("coalesce", made, exp.array())
        return made

    return made


def _edge(name: str) -> Aggregate:
    """``first`` and ``last``: over rows of a window they have other names."""

    def made(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
        skips = len(arguments) > 1 and arguments[1].sql().lower() == "true"
        if len(arguments) > 1 and not skips and arguments[1].sql().lower() != "false":
            raise refused(node, f"the second value of `{node.name}` is true or false", "")
        value = arguments[0].copy()
        parent = node.parent
        if isinstance(parent, exp.IgnoreNulls) and not isinstance(parent.parent, exp.Window):
            skips = True
        if isinstance(parent, exp.Window) or (
            isinstance(parent, exp.IgnoreNulls) and isinstance(parent.parent, exp.Window)
        ):
            windowed = call(f"{name}_value", value)
            return exp.IgnoreNulls(this=windowed) if skips else windowed
        gathered = call(name, value)
        if not skips:
            return gathered
        there = exp.Not(this=exp.Is(this=value.copy(), expression=exp.null()))
        return exp.Filter(this=gathered, expression=exp.Where(this=there))

    return made


def _count_if(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    case = exp.Case().when(arguments[0].copy(), exp.Literal.number(1))
    return exp.Count(this=case)


def _count_distinct(node: exp.Anonymous, arguments: Arguments) -> exp.Expr:
    return exp.Count(this=exp.Distinct(expressions=[arguments[0].copy()]))


AGGREGATES: dict[str, Aggregate] = {
    "any": _renamed("bool_or"),
    "approx_count_distinct": _count_distinct,
    "approx_percentile": _renamed("quantile_disc", 2),
    "array_agg": _without_nulls("list", none_is_empty=True),
    "bool_and": _renamed("bool_and"),
    "bool_or": _renamed("bool_or"),
    "collect_list": _without_nulls("list", none_is_empty=True),
    "collect_set": _without_nulls("list", none_is_empty=True),
    "count_if": _count_if,
    "every": _renamed("bool_and"),
    "first": _edge("first"),
    "first_value": _edge("first"),
    "kurtosis": _renamed("kurtosis_pop"),
    "last": _edge("last"),
    "last_value": _edge("last"),
    "percentile": _percentile,
    "percentile_approx": _renamed("quantile_disc", 2),
    "skewness": _template("skewness(x) * (count(x) - 2) / sqrt(count(x) * (count(x) - 1.0))"),
    "some": _renamed("bool_or"),
    "std": _renamed("stddev_samp"),
}
"""By Spark's name, in lower case. The arguments are translated already."""
