"""How queries are written for DuckDB."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlglot import exp

from byzer_lab.sql.engine.json_types import typed_names

_TYPES = {"string": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN"}


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a literal."""
    return "'" + text.replace("'", "''") + "'"


class DuckWords:
    """See :class:`byzer_lab.sql.engine.words.Words`."""

    dialect = "duckdb"
    place = "rowid"
    joins = False

    def quoted(self, name: str) -> str:
        """See the protocol."""
        return quoted(name)

    def sql(self, tree: exp.Expr) -> str:
        """See the protocol."""
        return tree.sql("duckdb", normalize_functions=False, comments=False)

    def json(self, values: Sequence[exp.Expr]) -> exp.Expr:
        """See the protocol."""
        array = exp.Anonymous(this="json_array", expressions=[one.copy() for one in values])
        return exp.cast(array, "varchar", dialect="duckdb")

    def number(self) -> exp.Expr:
        """See the protocol."""
        return exp.Window(this=exp.RowNumber())

    def texts(self, value: exp.Expr) -> exp.Expr:
        """See the protocol."""
        ordered = exp.Order(this=value.copy(), expressions=[exp.Ordered(this=value.copy())])
        return exp.ArrayAgg(this=ordered)

    def struct(self, column: str, schema: dict[str, Any]) -> str:
        """See the protocol."""
        return f"from_json({column}, {literal(json.dumps(_shape(schema)))})"

    def repartitioned(
        self, table: str, parts: int, columns: Sequence[str], *, ordered: bool
    ) -> str:
        """See the protocol."""
        query = f"select * from {quoted(table)}"
        if not columns:
            return query
        # Rows of one part stand together, as they would lie on one node.
        listed = ", ".join(quoted(column) for column in columns)
        return f"{query} order by " + (listed if ordered else f"hash({listed}) % {parts}, {listed}")


def _shape(schema: dict[str, Any]) -> Any:
    """The shape of a schema as DuckDB's ``from_json`` reads it."""
    kind, parts = typed_names(schema)
    if kind == "object":
        return {name: _shape(part) for name, part in parts.items()}
    if kind == "array":
        return [_shape(parts["items"])]
    return _TYPES.get(kind, "JSON")
