"""DuckDB, inside this process: the engine that needs nothing else."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.base import Column
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
_VERSION = re.compile(r"@\d+(?=\")")


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("'", "''") + "'"


class DuckEngine:
    """See :class:`byzer_lab.sql.engine.base.Engine`. Queries run on a thread of its own.

    Args:
        path: File of the database; default: memory.
        prepare: Called once with the connection, to add functions.
    """

    dialect = "duckdb"

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

    def register(self, name: str, data: Any) -> None:
        """See the protocol."""
        self._run(lambda: self._connection.register(name, data))
        self._registered.add(name)

    def view(self, name: str, query: str) -> None:
        """See the protocol."""
        self.execute(f"create view {quoted(name)} as {query}")

    def create(self, name: str, query: str) -> None:
        """See the protocol."""
        self.execute(f"create table {quoted(name)} as {query}")

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
        return [Column(row[0], row[1]) for row in rows]

    def query(self, query: str) -> pa.Table:
        """See the protocol."""
        return self._run(lambda: self._connection.sql(query).to_arrow_table())

    def execute(self, statement: str) -> None:
        """See the protocol."""
        self._run(lambda: self._connection.execute(statement).fetchall())

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


def sentence(error: Exception) -> str:
    """What DuckDB says, without the query and without our numbers behind the names of tables."""
    text = str(error).split("\n\nLINE")[0].strip()
    text = _VERSION.sub("", re.sub(r"\s*\n\s*", " ", text))
    if "Function with name" in text and "does not exist" in text:
        text += " No model of that name is deployed either; %llm_list shows those that are."
    return text
