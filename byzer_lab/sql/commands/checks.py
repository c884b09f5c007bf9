"""``!assert`` and its kin."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlglot import exp

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.queries import Queries
from byzer_lab.sql.commands.session import SqlSession


class AssertionFailedError(InvalidRequestError):
    """An ``!assert`` of a script does not hold."""

    code = "assertion_failed"


def check(queries: Queries, name: str, arguments: Sequence[str]) -> str:
    """Run one of :data:`CHECKS`.

    Returns:
        A sentence that it holds.

    Raises:
        AssertionFailedError: It does not.
        InvalidRequestError: Its arguments are wrong.
    """
    if len(arguments) < 2:
        raise InvalidRequestError(f'!{name} is written: !{name} TABLE "..." ["message"].')
    table, what, *rest = arguments
    session = queries.session
    made = session.tables.find(table)
    wrong = CHECKS[name](queries, made, what)
    if wrong:
        raise AssertionFailedError(rest[0] if rest else f"{table}: {wrong}")
    return f"{table}: {what.strip()} holds."


def _condition(queries: Queries, table: str, condition: str) -> str:
    query = f"select count(*) from __checked where coalesce(not ({condition}), true)"
    parsed = queries.parse(query)
    for one in parsed.find_all(exp.Table):
        one.set("this", exp.to_identifier(table, quoted=True))
    engine = queries.session.engine
    rows = engine.query(engine.words.sql(queries.translate(parsed)))
    wrong = int(rows.column(0)[0].as_py())
    return f"{wrong:,} rows do not fit {condition.strip()}." if wrong else ""


def _not_null(queries: Queries, table: str, columns: str) -> str:
    quoted = queries.session.engine.words.quoted
    for column in _columns(queries.session, table, columns):
        query = f"select count(*) from {quoted(table)} where {quoted(column)} is null"
        missing = queries.session.engine.query(query).column(0).to_pylist()[0]
        if missing:
            return f"{column} is NULL in {missing:,} rows."
    return ""


def _unique(queries: Queries, table: str, columns: str) -> str:
    for column in _columns(queries.session, table, columns):
        if wrong := _repeated(queries.session, table, [column]):
            return wrong
    return ""


def _unique_together(queries: Queries, table: str, columns: str) -> str:
    return _repeated(queries.session, table, _columns(queries.session, table, columns))


def _repeated(session: SqlSession, table: str, columns: Sequence[str]) -> str:
    quoted = session.engine.words.quoted
    listed = ", ".join(quoted(column) for column in columns)
    query = (
        f"select count(*) from (select 1 from {quoted(table)} group by {listed} "
        "having count(*) > 1)"
    )
    found = session.engine.query(query).column(0).to_pylist()[0]
    names = ", ".join(columns)
    return f"{found:,} values of {names} are there more than once." if found else ""


def _columns(session: SqlSession, table: str, listed: str) -> list[str]:
    query = session.all_of(table)
    known = {c.name.lower(): c.name for c in session.engine.columns(query)}
    found = []
    for column in (one.strip() for one in listed.split(",")):
        if column.lower() not in known:
            raise InvalidRequestError(
                f"The table has no column {column!r}; it has: {', '.join(known.values())}."
            )
        found.append(known[column.lower()])
    return found


CHECKS: dict[str, Callable[[Queries, str, str], str]] = {
    "assert": _condition,
    "assertCondition": _condition,
    "assertConditionThrow": _condition,
    "assertNotNull": _not_null,
    "assertNotNullThrow": _not_null,
    "assertUniqueKey": _unique,
    "assertUniqueKeyThrow": _unique,
    "assertUniqueKeys": _unique_together,
    "assertUniqueKeysThrow": _unique_together,
}
