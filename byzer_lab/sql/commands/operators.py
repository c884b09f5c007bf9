"""Operators of ``run``, but for ``LLM``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.engine.duck import quoted
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
    known = {column.name.lower() for column in session.engine.columns(_all(table))}
    for column in columns:
        if column.lower() not in known:
            raise InvalidRequestError(
                f"partitionCols names {column!r}, which the table does not have; it has: "
                f"{', '.join(sorted(known))}."
            )
    if not columns:
        return _all(table)
    # Rows of one partition stand together, as they would lie on one node.
    listed = ", ".join(quoted(column) for column in columns)
    order = listed if kind == "range" else f"hash({listed}) % {number}, {listed}"
    return f"{_all(table)} order by {order}"


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
    whens = []
    edge = 0.0
    for place, rate in enumerate(rates):
        edge += rate / total
        whens.append(f"when share < {min(1.0, edge)} then {place}")
    last = len(rates) - 1
    return (
        f"select * exclude (share), case {' '.join(whens)} else {last} end as __split__ "
        f"from (select *, random() as share from {quoted(table)})"
    )


def _cache(session: SqlSession, table: str, options: Options) -> str:
    """CacheExt: the rows are kept; that is all here."""
    options.skip(("execute", "isEager", "lifeTime"))
    return _all(table)


OPERATORS: dict[str, Operator] = {
    "TableRepartition": _repartition,
    "RateSampler": _sample,
    "CacheExt": _cache,
}


def _all(table: str) -> str:
    return f"select * from {quoted(table)}"
