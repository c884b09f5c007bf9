"""What an engine is: it keeps tables, runs queries of its own dialect and can be interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Column:
    """A column of a table or of a query.

    Attributes:
        name: Its name.
        type: Its type, in the engine's words.
    """

    name: str
    type: str


class Engine(Protocol):
    """Every call may be interrupted from another thread; it raises ``KeyboardInterrupt`` then.

    Names of tables are plain; the engine quotes them. Errors of a query are
    :class:`~byzer_lab.errors.InvalidRequestError`.

    Attributes:
        dialect: Of its queries, in sqlglot's words.
    """

    dialect: str

    def register(self, name: str, data: Any) -> None:
        """Make data of this process a table: an Arrow table or a DataFrame; nothing is copied."""

    def view(self, name: str, query: str) -> None:
        """Keep a query under a name; it runs when the table is used."""

    def create(self, name: str, query: str) -> None:
        """Keep the rows of a query under a name."""

    def drop(self, name: str) -> None:
        """Forget a table, whatever made it; none is no error."""

    def columns(self, query: str) -> Sequence[Column]:
        """The columns of a query, without running it."""

    def query(self, query: str) -> pa.Table:
        """The rows of a query."""

    def execute(self, statement: str) -> None:
        """Run a statement that has no rows."""

    def progress(self) -> float | None:
        """Share of the running query that is done, 0 to 1; ``None`` where it is not known."""

    def close(self) -> None:
        """Free everything."""
