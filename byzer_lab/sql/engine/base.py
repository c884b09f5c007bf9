"""What an engine is: it keeps tables, runs queries of its own dialect and can be interrupted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from byzer_lab.sql.engine.words import Words

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column of a table or of a query.

    Attributes:
        name: Its name.
        type: Its type, in the engine's words.
        listed: It is an array.
    """

    name: str
    type: str
    listed: bool = False


@dataclass(frozen=True)
class Place:
    """Where ``save`` writes.

    Attributes:
        kind: The format, in small letters.
        path: As it was written.
        options: Of the format.
        mode: ``overwrite``, ``append``, ``errorIfExists`` or ``ignore``.
        partition_by: Columns whose values become folders.
    """

    kind: str
    path: str
    options: Mapping[str, str]
    mode: str = "errorIfExists"
    partition_by: Sequence[str] = ()


class Engine(Protocol):
    """Every call may be interrupted from another thread; it raises ``KeyboardInterrupt`` then.

    Names of tables are plain; the engine quotes them. Errors of a query are
    :class:`~byzer_lab.errors.InvalidRequestError`.

    Attributes:
        name: Of the engine, as messages tell it.
        words: How its queries are written.
    """

    name: str

    @property
    def words(self) -> Words:
        """How its queries are written."""

    def register(self, name: str, data: Any) -> None:
        """Make data of this process a table: an Arrow table."""

    def view(self, name: str, query: str) -> None:
        """Keep a query under a name; it runs when the table is used."""

    def create(self, name: str, query: str, *, placed: bool = False) -> None:
        """Keep the rows of a query under a name.

        Args:
            name: Of the table.
            query: Gives the rows.
            placed: Their order is kept as well, in the column ``words.place``.
        """

    def define(self, name: str, columns: str) -> None:
        """An empty table of these columns, as ``create table`` writes them."""

    def drop(self, name: str) -> None:
        """Forget a table, whatever made it; none is no error."""

    def columns(self, query: str) -> Sequence[Column]:
        """The columns of a query, without running it."""

    def query(self, query: str) -> pa.Table:
        """The rows of a query."""

    def aggregates(self) -> frozenset[str]:
        """Names of its aggregate functions, in small letters."""

    def configure(self, name: str, value: str) -> None:
        """Change a setting.

        Raises:
            InvalidRequestError: There is none of that name.
        """

    def read(self, name: str, kind: str, path: str, options: Mapping[str, str]) -> None:
        """Make a table of files.

        Args:
            name: Of the table.
            kind: The format, in small letters.
            path: Of the files, as it is written.
            options: Of the format.

        Raises:
            InvalidRequestError: There is no file, or an option is not known.
        """

    def write(self, query: str, place: Place) -> bool:
        """Write the rows of a query to files.

        Returns:
            Whether anything was written: mode ``ignore`` leaves what is there.

        Raises:
            InvalidRequestError: Something is there already, or an option is not known.
        """

    def attach(self, name: str, url: str, options: Mapping[str, str]) -> None:
        """Open a database.

        Args:
            name: What :meth:`read_remote` calls it.
            url: As JDBC writes it.
            options: ``user``, ``password``, ``driver``, ``readOnly``.
        """

    def detach(self, name: str) -> None:
        """Close a database."""

    def read_remote(self, made: str, name: str, table: str, query: str) -> None:
        """Make a table of one of a database, or of a query in the database's own words.

        Args:
            made: Name of the new table.
            name: Of the database.
            table: Its table; not looked at where there is a query.
            query: Its query; empty: none.
        """

    def write_remote(self, query: str, name: str, table: str, mode: str) -> None:
        """Write the rows of a query to a table of a database, in a mode of ``save``."""

    def progress(self) -> float | None:
        """Share of the running query that is done, 0 to 1; ``None`` where it is not known."""

    def close(self) -> None:
        """Free everything."""
