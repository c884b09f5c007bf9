"""Answers in the places of the calls that asked for them."""

from __future__ import annotations

import itertools

from sqlglot import exp

from byzer_lab.sql.engine.words import Words

COLUMNS = {"request": "__request", "answer": "__answer", "error": "__error"}
"""Of a table of answers; no column of a query has such a name."""
_JOINED = "joined answers"


class Splicer:
    """Looks answers up, as the engine does it best: with a query in the place of the call, or with
    a join of the table of answers.

    Args:
        words: How queries are written.
    """

    def __init__(self, words: Words) -> None:
        self._words = words
        self._numbers = itertools.count(1)

    def splice(
        self, node: exp.Expr, wanted: str, select: exp.Select, table: str, key: exp.Expr
    ) -> None:
        """Put what was answered in the place of a call.

        Args:
            node: The call.
            wanted: ``answer`` or ``error``.
            select: Where it stands.
            table: The table of answers.
            key: The question, of a row of the select.
        """
        if self._words.joins and not select.args.get("laterals"):
            node.replace(self._joined(wanted, select, table, key))
            return
        request = exp.column(COLUMNS["request"])
        found = exp.select(exp.column(COLUMNS[wanted])).from_(_table(table))
        node.replace(found.where(exp.EQ(this=request, expression=key.copy())).subquery())

    def _joined(self, wanted: str, select: exp.Select, table: str, key: exp.Expr) -> exp.Expr:
        known: dict[str, int] = select.meta.setdefault(_JOINED, {})
        written = f"{table} {self._words.sql(key)}"
        number = known.get(written)
        if number is None:
            number = known[written] = next(self._numbers)
            self._join(select, table, key, number)
        return exp.column(f"{COLUMNS[wanted]}{number}")

    def _join(self, select: exp.Select, table: str, key: exp.Expr, number: int) -> None:
        """Join the answers; their columns have names of their own and stay out of a star."""
        names = [exp.to_identifier(f"{column}{number}") for column in COLUMNS.values()]
        listed = [
            exp.alias_(exp.column(column), name.copy())
            for column, name in zip(COLUMNS.values(), names, strict=True)
        ]
        answers = exp.select(*listed).from_(_table(table)).subquery(f"__answers{number}")
        for join in select.args.get("joins") or []:
            if not any(map(join.args.get, ("kind", "side", "on", "using", "method"))):
                join.set("kind", "CROSS")  # a comma binds weaker than the join behind it
        same = exp.EQ(this=exp.column(names[0].copy()), expression=key.copy())
        if select.args.get("from_") is None:
            one = exp.select(exp.alias_(exp.Literal.number(1), "__one")).subquery("__one")
            select.set("from_", exp.From(this=one))
        select.append("joins", exp.Join(this=answers, side="LEFT", on=same))
        for item in select.expressions:
            if isinstance(item, exp.Star):
                item.set("except_", [*(item.args.get("except_") or []), *names])


def _table(name: str) -> exp.Table:
    return exp.Table(this=exp.to_identifier(name, quoted=True))
