"""What a query is written in: the dialect of an engine, where the engines differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlglot import exp


class Words(Protocol):
    """How queries are written for an engine.

    Attributes:
        dialect: In sqlglot's words.
        place: Column of rows that were kept in order (see
            :meth:`~byzer_lab.sql.engine.base.Engine.create`): it rises with them.
        joins: Answers are joined to the rows, because a query in an expression can't look all of
            them up.
    """

    dialect: str
    place: str
    joins: bool

    def quoted(self, name: str) -> str:
        """A name as an identifier."""

    def sql(self, tree: exp.Expr) -> str:
        """The text of a query or of a part of it."""

    def json(self, values: Sequence[exp.Expr]) -> exp.Expr:
        """Values as the text of a JSON array."""

    def number(self) -> exp.Expr:
        """A number that rises with the rows of a query."""

    def texts(self, value: exp.Expr) -> exp.Expr:
        """The values of a group, sorted, as an array."""

    def struct(self, column: str, schema: dict[str, Any]) -> str:
        """JSON texts as structs that fit a JSON Schema."""

    def repartitioned(
        self, table: str, parts: int, columns: Sequence[str], *, ordered: bool
    ) -> str:
        """A query for the rows of a table in so many parts.

        Args:
            table: Its name.
            parts: How many.
            columns: Rows with the same values in these lie together; none: anywhere.
            ordered: Parts are ranges of the values.
        """
