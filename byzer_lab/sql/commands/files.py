"""``load``, ``save`` and ``connect``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.engine import sqlite_files
from byzer_lab.sql.engine.base import Place
from byzer_lab.sql.engine.loading import load
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import local, shown

_SQLITE = re.compile(r"(?:jdbc:)?sqlite:(.*)", re.S)
REFUSED = ("hive", "hbase", "kafka", "solr", "es", "delta", "xml", "image", "Rest")
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
            f"Byzer Lab can't load {kind}; it loads csv, json, jsonl, parquet, text, binaryFile, "
            "excel, jdbc, jsonStr, csvStr and script, and any DataFrame of the notebook by its "
            "name."
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
    engine = session.engine
    query = session.all_of(table)
    if kind == "jdbc":
        _save_remote(session, path, query, mode or "errorIfExists")
        return f"{name} was saved to {path}."
    if engine.write(query, Place(kind, path, options, mode or "errorIfExists", partition_by)):
        return f"{name} was saved to {shown(path)}."
    return f"{shown(path)} is there already; nothing was saved."


def connect(session: SqlSession, name: str, kind: str, given: Mapping[str, str]) -> None:
    """Open a database.

    Args:
        session: Gets the connection.
        name: What paths of ``load jdbc`` begin with.
        kind: ``jdbc``.
        given: ``url``: ``jdbc:sqlite:PATH``, or one of a database that the engine reads.

    Raises:
        InvalidRequestError: It can't be opened.
    """
    if kind != "jdbc":
        raise InvalidRequestError(f"connect {kind} is not supported; it must be connect jdbc.")
    options = Options("connect jdbc", given)
    url = options.text("url")
    read_only = options.truth("readOnly")
    options.skip(("driver", "user", "password"))
    options.end()
    disconnect(session, name)
    found = _SQLITE.fullmatch(url.strip())
    if found is None:
        rest = {key: value for key, value in given.items() if key.lower() != "url"}
        session.engine.attach(name, url, rest)
        session.connections[name] = None
        return
    target = local(found[1])
    if read_only and not target.exists():
        raise InvalidRequestError(f"There is no file {str(target)!r}.")
    session.connections[name] = target


def disconnect(session: SqlSession, name: str) -> None:
    """Close a connection; none is no error."""
    if name in session.connections and session.connections.pop(name) is None:
        session.engine.detach(name)


def _place(session: SqlSession, path: str) -> tuple[str, str]:
    """The connection and the table that a path names."""
    name, _, table = path.partition(".")
    if name not in session.connections or not table:
        known = ", ".join(session.connections) or "none"
        raise InvalidRequestError(
            f"jdbc.`{path}` must name a connection and a table, such as `db1.people`; connections: "
            f"{known}."
        )
    return name, table


def _load_remote(session: SqlSession, made: str, path: str, given: Mapping[str, str]) -> None:
    options = Options("load jdbc", given)
    direct = options.text("directQuery")
    options.end()
    name, table = _place(session, path if "." in path or not direct else f"{path}.query")
    file = session.connections[name]
    if file is None:
        session.engine.read_remote(made, name, table, direct)
        return
    rows = sqlite_files.read(file, direct) if direct else sqlite_files.read_table(file, table)
    session.engine.register(made, rows)


def _save_remote(session: SqlSession, path: str, query: str, mode: str) -> None:
    name, table = _place(session, path)
    file = session.connections[name]
    if file is None:
        session.engine.write_remote(query, name, table, mode)
    else:
        sqlite_files.write(file, table, session.engine.query(query), mode.lower())
