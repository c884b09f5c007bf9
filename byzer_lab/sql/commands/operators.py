"""Operators of ``run``, but for ``LLM``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from sqlglot import exp

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.engine.options import Options

Operator = Callable[[SqlSession, str, Options], str]
"""Given the engine's name of the table: a query for the output."""


def operate(session: SqlSession, name: str, table: str, given: Mapping[str, str]) -> str:
    """The query for what an operator makes of a table.

    Args:
        session: Has the table.
        name: Of the operator.
        table: The engine's name of the table.
        given: Options, filled.

    Raises:
        InvalidRequestError: There is no such operator, or an option is wrong.
    """
    operator = next((found for known, found in OPERATORS.items() if known == name), None)
    if operator is None:
        known = [*OPERATORS, "LLM"]
        close = get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is: {', '.join(known)}."
        raise InvalidRequestError(f"There is no operator {name!r}; {hint}")
    options = Options(f"run {name}", given)
    query = operator(session, table, options)
    options.end()
    return query


def _repartition(session: SqlSession, table: str, options: Options) -> str:
    number = options.number("partitionNum", least=1)
    if number is None:
        raise InvalidRequestError('TableRepartition needs partitionNum, such as "12".')
    kind = options.text("partitionType", default="hash")
    columns = [one.strip() for one in options.text("partitionCols").split(",") if one.strip()]
    if kind not in ("hash", "range"):
        raise InvalidRequestError(f"partitionType is {kind!r}; it must be hash or range.")
    if kind == "range" and not columns:
        raise InvalidRequestError("partitionType range needs partitionCols.")
    known = {column.name.lower() for column in session.engine.columns(session.all_of(table))}
    for column in columns:
        if column.lower() not in known:
            raise InvalidRequestError(
                f"partitionCols names {column!r}, which the table does not have; it has: "
                f"{', '.join(sorted(known))}."
            )
    return session.engine.words.repartitioned(table, number, columns, ordered=kind == "range")


def _sample(session: SqlSession, table: str, options: Options) -> str:
    """RateSampler: rows in two groups, told apart by ``__split__``."""
    text = options.text("sampleRate", default="0.9,0.1")
    options.skip(("isSplitWithSubLabel", "labelCol"))
    try:
        rates = [float(rate) for rate in text.split(",")]
    except ValueError as error:
        raise InvalidRequestError(
            f"sampleRate is {text!r}; it must be numbers, such as 0.9,0.1."
        ) from error
    total = sum(rates)
    if total <= 0 or min(rates) < 0:
        raise InvalidRequestError(f"sampleRate is {text!r}; its numbers must be positive.")
    cases = exp.Case()
    edge = 0.0
    for place, rate in enumerate(rates):
        edge += rate / total
        share = exp.LT(this=exp.column("__share"), expression=exp.Literal.number(min(1.0, edge)))
        cases = cases.when(share, exp.Literal.number(place), copy=False)
    cases = cases.else_(exp.Literal.number(len(rates) - 1), copy=False)
    source = exp.Table(this=exp.to_identifier(table, quoted=True))
    rows = exp.select("*", exp.alias_(exp.Rand(), "__share")).from_(source)
    all_but_share = exp.Star(except_=[exp.to_identifier("__share")])
    query = exp.select(all_but_share, exp.alias_(cases, "__split__")).from_(rows.subquery("t"))
    return session.engine.words.sql(query)


def _cache(session: SqlSession, table: str, options: Options) -> str:
    """CacheExt: the rows are kept; that is all here."""
    options.skip(("execute", "isEager", "lifeTime"))
    return session.all_of(table)


OPERATORS: dict[str, Operator] = {
    "TableRepartition": _repartition,
    "RateSampler": _sample,
    "CacheExt": _cache,
}
