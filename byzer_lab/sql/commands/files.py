"""``load``, ``save`` and ``connect``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.engine import sqlite_files
from byzer_lab.sql.engine.duck import literal, quoted
from byzer_lab.sql.engine.loading import load
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import local
from byzer_lab.sql.engine.saving import save

_URL = re.compile(r"(?:jdbc:)?(sqlite|duckdb|postgresql|postgres|mysql):(.*)", re.S)
_EXTENSIONS = {
    "postgresql": "postgres",
    "postgres": "postgres",
    "mysql": "mysql",
}
REFUSED = ("hive", "hbase", "kafka", "solr", "es", "delta", "xml", "image", "binaryFile", "Rest")
"""Formats of the original that are not here."""


def load_table(
    session: SqlSession, name: str, kind: str, path: str, options: Mapping[str, str]
) -> None:
    """Make a table of files, of a text, or of a table of a database.

    Args:
        session: Gets the table.
        name: Of the table.
        kind: The format.
        path: Filled.
        options: Filled.
    """
    if kind in REFUSED:
        raise InvalidRequestError(
            f"Byzer Lab can't load {kind}; it loads csv, json, jsonl, parquet, text, excel, jdbc, "
            "jsonStr, csvStr and script, and any DataFrame of the notebook by its name."
        )
    made = session.tables.fresh(name)
    if kind == "jdbc":
        _load_remote(session, made, path, options)
    else:
        load(session.engine, made, kind, path, options, session.variables.text)
    session.tables.put(name, made)
    session.last = name


def save_table(
    session: SqlSession,
    name: str,
    kind: str,
    path: str,
    options: Mapping[str, str],
    mode: str,
    partition_by: Sequence[str],
) -> str:
    """Write a table.

    Returns:
        What was done, in a sentence.
    """
    table = session.tables.find(name)
    query = f"select * from {quoted(table)}"
    if kind == "jdbc":
        _save_remote(session, path, query, mode or "errorIfExists")
        return f"{name} was saved to {path}."
    if save(session.engine, query, kind, path, options, mode or "errorIfExists", partition_by):
        return f"{name} was saved to {local(path)}."
    return f"{local(path)} is there already; nothing was saved."


def connect(session: SqlSession, name: str, kind: str, given: Mapping[str, str]) -> None:
    """Open a database.

    Args:
        session: Gets the connection.
        name: What paths of ``load jdbc`` begin with.
        kind: ``jdbc``.
        given: ``url``: ``jdbc:sqlite:PATH``, ``jdbc:duckdb:PATH``, or a database that an extension
            of DuckDB reads which is installed.

    Raises:
        InvalidRequestError: It can't be opened.
    """
    if kind != "jdbc":
        raise InvalidRequestError(f"connect {kind} is not supported; it must be connect jdbc.")
    options = Options("connect jdbc", given)
    url = options.text("url")
    read_only = options.truth("readOnly")
    options.skip(("driver",))
    found = _URL.fullmatch(url.strip())
    if found is None:
        raise InvalidRequestError(
            f"url is {url!r}; it must be jdbc:sqlite:PATH, jdbc:duckdb:PATH, or "
            "jdbc:postgresql:... where DuckDB's extension is installed."
        )
    kind, rest = found.groups()
    user, password = options.text("user"), options.text("password")
    options.end()
    disconnect(session, name)
    if kind in ("sqlite", "duckdb"):
        target = local(rest)
        if read_only and not target.exists():
            raise InvalidRequestError(f"There is no file {str(target)!r}.")
        if kind == "sqlite":
            session.connections[name] = target
            return
        address = str(target)
    else:
        address = f"{'postgresql' if kind.startswith('postgre') else kind}:{rest}"
        if user:
            address = address.replace("://", f"://{user}:{password}@", 1)
    attached = f"connection {name}"
    type_ = f"type {_EXTENSIONS[kind]}, " if kind in _EXTENSIONS else ""
    mode = "read_only" if read_only else "read_write"
    session.engine.execute(f"attach {literal(address)} as {quoted(attached)} ({type_}{mode})")
    session.connections[name] = attached


def disconnect(session: SqlSession, name: str) -> None:
    """Close a connection; none is no error."""
    known = session.connections.pop(name, None)
    if isinstance(known, str):
        session.engine.execute(f"detach {quoted(known)}")


def _place(session: SqlSession, path: str) -> tuple[Path | str, str]:
    """The connection and the table that a path names."""
    name, _, table = path.partition(".")
    if name not in session.connections or not table:
        known = ", ".join(session.connections) or "none"
        raise InvalidRequestError(
            f"jdbc.`{path}` must name a connection and a table, such as `db1.people`; connections: "
            f"{known}."
        )
    return session.connections[name], table


def _load_remote(session: SqlSession, made: str, path: str, given: Mapping[str, str]) -> None:
    options = Options("load jdbc", given)
    direct = options.text("directQuery")
    options.end()
    connection, table = _place(session, path if "." in path or not direct else f"{path}.query")
    if isinstance(connection, Path):
        rows = sqlite_files.read(connection, direct) if direct else None
        session.engine.register(made, rows or sqlite_files.read_table(connection, table))
        return
    if not direct:
        session.engine.create(made, f"select * from {_remote(connection, table)}")
        return
    session.engine.execute(f"use {quoted(connection)}")
    try:
        rows = session.engine.query(direct)
    finally:
        session.engine.execute("use memory")
    session.engine.register(made, rows)


def _remote(connection: str, table: str) -> str:
    return ".".join(quoted(part) for part in (connection, *table.split(".")))


def _save_remote(session: SqlSession, path: str, query: str, mode: str) -> None:
    connection, table = _place(session, path)
    mode = mode.lower()
    if isinstance(connection, Path):
        sqlite_files.write(connection, table, session.engine.query(query), mode)
        return
    place = _remote(connection, table)
    begin = {
        "append": f"insert into {place} by name",
        "overwrite": f"create or replace table {place} as",
        "ignore": f"create table if not exists {place} as",
    }
    session.engine.execute(f"{begin.get(mode, f'create table {place} as')} {query}")
