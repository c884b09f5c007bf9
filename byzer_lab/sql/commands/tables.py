"""Names of tables.

Each table has a name of its own in the engine, ``name@7``: a table that is made again under a name
leaves those alone that were made from the former one.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

import pyarrow as pa
from sqlglot import exp

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.base import Engine
from byzer_lab.sql.engine.frames import as_table

COMMAND = "command"
"""A table that is always there, with one row."""
SHOWN = "__shown"
"""The table of what a command shows."""


class Tables:
    """The tables of a session.

    Args:
        engine: Has them.
        data: Looks a variable of the notebook up, by the name as it is written.
    """

    def __init__(self, engine: Engine, data: Callable[[str], Any]) -> None:
        self._engine = engine
        self._data = data
        self._numbers = itertools.count(1)
        self._names: dict[str, tuple[str, str]] = {}
        self._held: dict[str, tuple[str, str]] = {}
        self._needs: dict[str, set[str]] = {}

    def fresh(self, name: str) -> str:
        """A name in the engine that nothing has."""
        return f"{name}@{next(self._numbers)}"

    def put(self, name: str, made: str, needs: set[str] | None = None) -> None:
        """Let a name mean a table of the engine.

        Args:
            name: As scripts write it; without regard to case.
            made: Its name in the engine.
            needs: Tables of the engine that it reads when it is used.
        """
        self._names[name.lower()] = (name, made)
        self._needs[made] = needs or set()
        self._sweep()

    def find(self, name: str) -> str:
        """The name in the engine.

        Raises:
            InvalidRequestError: There is no such table.
        """
        known = self._names.get(name.lower())
        if known is not None:
            return known[1]
        if name.lower() == COMMAND:
            made = self.fresh(COMMAND)
            self._engine.register(made, pa.table({"command": [""]}))
            self.put(COMMAND, made)
            return made
        data = as_table(self._data(name))
        if data is not None:
            made = self.fresh(name)
            self._engine.register(made, data)
            self._needs[made] = set()
            return made
        names = self.names()
        close = get_close_matches(name, names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidRequestError(
            f"There is no table {name!r}; there is: {', '.join(names) or 'none'}.{hint}"
        )

    def resolve(self, query: exp.Expr) -> set[str]:
        """Put the engine's names into a query; tells which tables it reads.

        Raises:
            InvalidRequestError: A table is not there.
        """
        needs = set()
        for table in list(query.find_all(exp.Table)):
            if not isinstance(table.this, exp.Identifier) or table.db or table.name in needs:
                continue
            if table.name.lower() in _common_names(table):
                continue
            made = self.find(table.name)
            needs.add(made)
            if not table.alias:
                alias = exp.to_identifier(table.name, quoted=True)
                table.set("alias", exp.TableAlias(this=alias))
            table.set("this", exp.to_identifier(made, quoted=True))
        return needs

    def names(self) -> list[str]:
        """All names, as they were written."""
        hidden = (COMMAND, SHOWN)
        return [written for name, (written, _) in self._names.items() if name not in hidden]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._names

    def forget(self, name: str) -> None:
        """Forget a name; none is no error."""
        self._names.pop(name.lower(), None)
        self._sweep()

    def snapshot(self) -> dict[str, tuple[str, str]]:
        """What the names mean now; it stays until :meth:`restore`."""
        self._held = dict(self._names)
        return self._held

    def restore(self, names: dict[str, tuple[str, str]]) -> None:
        """Let the names mean what they meant; tables that were made since are dropped."""
        self._names, self._held = dict(names), {}
        self._sweep()

    def _sweep(self) -> None:
        """Drop what no name needs any more."""
        kept: set[str] = set()
        waiting = [made for _, made in (*self._names.values(), *self._held.values())]
        while waiting:
            made = waiting.pop()
            if made not in kept:
                kept.add(made)
                waiting += self._needs.get(made, set())
        dropped = [made for made in self._needs if made not in kept]
        for made in reversed(dropped):  # what reads another one was made after it
            self._engine.drop(made)
            del self._needs[made]


def _common_names(table: exp.Expr) -> Iterator[str]:
    """Names of the WITH tables that a place of a query sees."""
    node: exp.Expr | None = table
    while node is not None:
        clause = node.args.get("with_")
        if clause is not None:
            yield from (one.alias.lower() for one in clause.expressions)
        node = node.parent
