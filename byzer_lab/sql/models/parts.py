"""The columns of kept rows, and the select list over them."""

from __future__ import annotations

from sqlglot import exp

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.words import Words
from byzer_lab.sql.models.calls import Functions
from byzer_lab.sql.models.splitting import split
from byzer_lab.sql.models.trees import is_volatile


class Parts:
    """The columns of kept rows.

    Args:
        functions: Finds calls.
        words: How queries are written.

    Attributes:
        columns: What is selected for them.
    """

    def __init__(self, functions: Functions, words: Words) -> None:
        self._functions = functions
        self._words = words
        self.columns: list[exp.Expr] = []
        self._names: dict[str, str] = {}
        self._of_items = 0

    def item(self, item: exp.Expr) -> exp.Expr:
        """An item of the select list over the kept rows."""
        if item.is_star:
            self.columns.append(item.copy())
            self._of_items = len(self.columns)
            return exp.Star()
        name = item.alias or (item.name if isinstance(item, exp.Column) else self._words.sql(item))
        alias = exp.to_identifier(name, quoted=True)
        value = item.unalias()
        if self._functions.has(value):
            made = split(value, self._functions, self._column)
        else:
            made = self._column(value.copy())
        self._of_items = len(self.columns)
        return exp.alias_(made, alias)

    def condition(self, condition: exp.Expr) -> exp.Expr:
        """A condition of HAVING over the kept rows."""
        made = split(condition, self._functions, self._column)
        self._of_items = len(self.columns)
        return made

    def order(self, ordered: exp.Expr, aliases: set[str]) -> exp.Expr:
        """A part of ORDER BY over the kept rows."""
        if ordered.this.name in aliases or isinstance(ordered.this, exp.Literal):
            return ordered.copy()
        return split(ordered, self._functions, self._column)

    def drop_orders(self) -> None:
        """The rows are kept in order: nothing of ORDER BY is needed again."""
        del self.columns[self._of_items :]

    def with_stars(self, items: list[exp.Expr], found: list[str]) -> list[exp.Expr]:
        """The items with each star's columns.

        Args:
            items: As :meth:`item` made them.
            found: The names of all columns of the kept rows.
        """
        stars = [place for place, column in enumerate(self.columns) if column.is_star]
        if not stars:
            return items
        if len(stars) > 1:
            raise InvalidRequestError(
                "The select list has several stars and calls a model; name the columns of all but "
                "one."
            )
        behind = len(self.columns) - stars[0] - 1
        names = found[stars[0] : len(found) - behind]
        columns = [exp.column(exp.to_identifier(name, quoted=True)) for name in names]
        return [one for item in items for one in (columns if item.is_star else [item])]

    def _column(self, part: exp.Expr) -> exp.Column:
        written = self._words.sql(part)
        name = self._names.get(written, f"__part{len(self.columns)}")
        if written not in self._names:
            self.columns.append(exp.alias_(part, name))
            if not any(map(is_volatile, part.walk())):
                self._names[written] = name
        return exp.column(name)
