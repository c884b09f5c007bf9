"""``create``, ``insert``, ``drop``, ``refresh``."""

from __future__ import annotations

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.queries import Queries
from byzer_lab.sql.commands.session import SqlSession


def passed(session: SqlSession, queries: Queries, text: str) -> None:
    """Run one of these statements on the tables of the session.

    Raises:
        InvalidRequestError: It can't be read, or does something else.
    """
    if text.split(None, 1)[0].lower() == "refresh":
        return  # files are read anew each time
    try:
        statement = sqlglot.parse_one(text, read=queries.dialect)
    except SqlglotError as error:
        raise InvalidRequestError(f"The statement can't be read: {error}.") from error
    if isinstance(statement, exp.Drop) and statement.kind in ("TABLE", "VIEW"):
        target = statement.find(exp.Table)
        assert target is not None
        name = target.name
        if name not in session.tables and not statement.args.get("exists"):
            raise InvalidRequestError(f"There is no table {name!r} to drop.")
        session.tables.forget(name)
    elif isinstance(statement, exp.Create) and statement.kind in ("TABLE", "VIEW"):
        _create(session, queries, statement)
    elif isinstance(statement, exp.Insert) and isinstance(statement.expression, exp.Query):
        _insert(session, queries, statement)
    else:
        raise InvalidRequestError(
            "Only create table, create view, insert into ... select, drop table and drop view are "
            "supported."
        )


def _create(session: SqlSession, queries: Queries, statement: exp.Create) -> None:
    query = statement.expression
    target = statement.this
    if isinstance(query, exp.Query):
        name = target.name
        if name in session.tables and statement.args.get("exists"):
            return
        queries.table(name, query.sql(queries.dialect))
        return
    name = statement.find(exp.Table)
    assert name is not None
    made = session.tables.fresh(name.name)
    columns = statement.this.sql(session.engine.words.dialect).partition("(")[2].rpartition(")")[0]
    session.engine.define(made, columns)
    session.tables.put(name.name, made)
    session.last = name.name


def _insert(session: SqlSession, queries: Queries, statement: exp.Insert) -> None:
    """A new table of the old rows and the new ones: what was made of the old one stays."""
    target = statement.find(exp.Table)
    assert target is not None
    name = target.name
    engine, quoted = session.engine, session.engine.words.quoted
    old = session.tables.find(name)
    columns = engine.columns(f"select * from {quoted(old)}")
    place = statement.this
    given = place.expressions if isinstance(place, exp.Schema) else columns
    listed = [column.name.lower() for column in given]
    temporary = f"{name} added"
    queries.table(temporary, statement.expression.sql(queries.dialect))
    added = session.tables.find(temporary)
    try:
        values = [column.name for column in engine.columns(f"select * from {quoted(added)}")]
        if len(values) != len(listed) or not set(listed) <= {c.name.lower() for c in columns}:
            raise InvalidRequestError(
                f"{name!r} gets {len(values)} columns for ({', '.join(listed)}); its own are "
                f"({', '.join(column.name for column in columns)})."
            )
        value_of = dict(zip(listed, values, strict=True))
        row = ", ".join(
            f"cast({quoted(value_of[c.name.lower()]) if c.name.lower() in value_of else 'null'} "
            f"as {c.type})"
            for c in columns
        )
        made = session.tables.fresh(name)
        engine.create(
            made, f"select * from {quoted(old)} union all select {row} from {quoted(added)}"
        )
    finally:
        session.tables.forget(temporary)
    session.tables.put(name, made)
    session.last = name
