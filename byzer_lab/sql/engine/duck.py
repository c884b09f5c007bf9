"""DuckDB, inside this process: the engine that needs nothing else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.base import Column, Place
from byzer_lab.sql.engine.databases import address_of
from byzer_lab.sql.engine.duck_words import DuckWords, literal, quoted
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import files
from byzer_lab.sql.engine.reading import FORMATS
from byzer_lab.sql.engine.saving import save
from byzer_lab.sql.engine.worker import Worker

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
_SETTINGS = {
    "enable_progress_bar": "true",
    "enable_progress_bar_print": "false",
    "progress_bar_time": "0",
    "autoinstall_known_extensions": "false",
    "python_enable_replacements": "false",
}
"""Progress is known only where the bar is on; nothing is downloaded behind the user's back."""
SETTINGS = ("threads", "memory_limit", "temp_directory", "TimeZone")
"""Those that a script may change."""
_VERSION = re.compile(r"@\d+(?=\")")


class DuckEngine:
    """See :class:`byzer_lab.sql.engine.base.Engine`. Queries run on a thread of its own.

    Args:
        path: File of the database; default: memory.
        prepare: Called once with the connection, to add functions.
    """

    name = "DuckDB"
    words = DuckWords()

    def __init__(
        self,
        path: Path | None = None,
        prepare: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    ) -> None:
        self._connection = duckdb.connect(str(path) if path else ":memory:")
        for name, value in _SETTINGS.items():
            self._connection.execute(f"set {name}={value}")
        if prepare:
            prepare(self._connection)
        self._worker = Worker("byzer-lab sql", self._connection.interrupt)
        self._registered: set[str] = set()
        self._attached: dict[str, str] = {}
        self._aggregates: frozenset[str] | None = None

    def register(self, name: str, data: Any) -> None:
        """See the protocol."""
        self._run(lambda: self._connection.register(name, data))
        self._registered.add(name)

    def view(self, name: str, query: str) -> None:
        """See the protocol."""
        self.execute(f"create view {quoted(name)} as {query}")

    def create(self, name: str, query: str, *, placed: bool = False) -> None:
        """See the protocol; every table has a ``rowid``."""
        self.execute(f"create table {quoted(name)} as {query}")

    def define(self, name: str, columns: str) -> None:
        """See the protocol."""
        self.execute(f"create table {quoted(name)} ({columns})")

    def drop(self, name: str) -> None:
        """See the protocol."""
        if name in self._registered:
            self._registered.discard(name)
            self._run(lambda: self._connection.unregister(name))
            return
        for kind in ("view", "table"):
            with contextlib.suppress(InvalidRequestError):  # it is of the other kind
                self.execute(f"drop {kind} if exists {quoted(name)}")

    def columns(self, query: str) -> Sequence[Column]:
        """See the protocol."""
        rows = self._run(lambda: self._connection.execute(f"describe {query}").fetchall())
        return [Column(row[0], row[1], row[1].endswith("]")) for row in rows]

    def query(self, query: str) -> pa.Table:
        """See the protocol."""
        return self._run(lambda: self._connection.sql(query).to_arrow_table())

    def execute(self, statement: str) -> None:
        """Run a statement that has no rows."""
        self._run(lambda: self._connection.execute(statement).fetchall())

    def aggregates(self) -> frozenset[str]:
        """See the protocol."""
        if self._aggregates is None:
            rows = self.query(
                "select distinct function_name as name from duckdb_functions() "
                "where function_type = 'aggregate'"
            )
            self._aggregates = frozenset(rows.column("name").to_pylist())
        return self._aggregates

    def configure(self, name: str, value: str) -> None:
        """See the protocol."""
        if name not in SETTINGS:
            raise InvalidRequestError(
                f"There is no setting {name!r}; there is: engine, {', '.join(SETTINGS)}."
            )
        self.execute(f"set {name} = {literal(value)}")

    def read(self, name: str, kind: str, path: str, options: Mapping[str, str]) -> None:
        """See the protocol."""
        given = Options(f"load {kind}", options)
        query = FORMATS[kind](self, files(path), given)
        given.end()
        self.view(name, query)

    def write(self, query: str, place: Place) -> bool:
        """See the protocol."""
        return save(self, query, place)

    def attach(self, name: str, url: str, options: Mapping[str, str]) -> None:
        """See the protocol; databases are SQLite, DuckDB, and what an extension reads."""
        address, type_, mode = address_of(url, options)
        attached = f"connection {name}"
        kind = f"type {type_}, " if type_ else ""
        self.execute(f"attach {literal(address)} as {quoted(attached)} ({kind}{mode})")
        self._attached[name] = attached

    def detach(self, name: str) -> None:
        """See the protocol."""
        attached = self._attached.pop(name, None)
        if attached is not None:
            self.execute(f"detach {quoted(attached)}")

    def read_remote(self, made: str, name: str, table: str, query: str) -> None:
        """See the protocol."""
        attached = self._attached[name]
        if not query:
            self.create(made, f"select * from {_remote(attached, table)}")
            return
        self.execute(f"use {quoted(attached)}")
        try:
            rows = self.query(query)
        finally:
            self.execute("use memory")
        self.register(made, rows)

    def write_remote(self, query: str, name: str, table: str, mode: str) -> None:
        """See the protocol."""
        place = _remote(self._attached[name], table)
        begin = {
            "append": f"insert into {place} by name",
            "overwrite": f"create or replace table {place} as",
            "ignore": f"create table if not exists {place} as",
        }
        self.execute(f"{begin.get(mode.lower(), f'create table {place} as')} {query}")

    def progress(self) -> float | None:
        """See the protocol."""
        share = self._connection.query_progress()
        return share / 100 if share >= 0 else None

    def close(self) -> None:
        """See the protocol."""
        self._connection.interrupt()
        self._worker.close()
        self._connection.close()

    def _run(self, work: Callable[[], T]) -> T:
        def checked() -> T:
            try:
                return work()
            except duckdb.InterruptException as error:
                raise KeyboardInterrupt from error
            except (duckdb.Error, RuntimeError) as error:
                if "interrupt" in str(error).lower():
                    raise KeyboardInterrupt from error
                raise InvalidRequestError(sentence(error)) from error

        return self._worker.run(checked)


def _remote(database: str, table: str) -> str:
    return ".".join(quoted(part) for part in (database, *table.split(".")))


def sentence(error: Exception) -> str:
    """What DuckDB says, without the query and without our numbers behind the names of tables."""
    text = str(error).split("\n\nLINE")[0].strip()
    text = _VERSION.sub("", re.sub(r"\s*\n\s*", " ", text))
    if "Function with name" in text and "does not exist" in text:
        text += " No model of that name is deployed either; %llm_list shows those that are."
    return text
