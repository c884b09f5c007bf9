"""What stays from cell to cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlglot import exp

from byzer_lab.client.session import existing_session
from byzer_lab.errors import ByzerLabError
from byzer_lab.sql.commands.tables import Tables
from byzer_lab.sql.commands.variables import Variables
from byzer_lab.sql.engine.base import Engine
from byzer_lab.sql.engine.choosing import DUCKDB, make_engine
from byzer_lab.sql.models import macros
from byzer_lab.sql.models.ask import ClusterModels, Models
from byzer_lab.sql.models.calls import Function, Functions
from byzer_lab.sql.models.store import AnswerStore


@dataclass
class World:
    """What a session has in one engine.

    Attributes:
        engine: Where the tables live.
        tables: Their names.
        connections: What ``connect`` named: a SQLite file, or ``None``: the engine knows it.
        remake: Of each table that holds answers its query, and the tables that it reads.
        last: Name of the last table.
    """

    engine: Engine
    tables: Tables
    connections: dict[str, Path | None] = field(default_factory=dict)
    remake: dict[str, tuple[exp.Query, set[str]]] = field(default_factory=dict)
    last: str = ""


@dataclass(frozen=True)
class Held:
    """What :meth:`SqlSession.restore` brings back."""

    chosen: str
    names: dict[str, dict[str, tuple[str, str]]]
    remake: dict[str, dict[str, tuple[exp.Query, set[str]]]]
    last: dict[str, str]


class SqlSession:
    """A session of a notebook, or of one script of the command line.

    Args:
        models: Who answers; default: the deployments of the cluster.
        data: Looks a variable of the notebook up; default: there is none.
        store: Kept answers; default: the user's.
        allow_shell: ``set type="shell"`` may run commands.
        engine: Where tables live: ``duckdb``, ``spark``, or an address of Spark.

    Attributes:
        chosen: The engine of cells that name none.
        variables: What ``set`` set.
        functions: Those of Python and of models, by name in small letters.
        models: Who answers.
        setup: What ``!byzerllm setup`` set.
        partitions: Of tables that TableRepartition made, by the engine's names: how many parts.
        allow_shell: As given.
    """

    def __init__(
        self,
        models: Models | None = None,
        data: Callable[[str], Any] = lambda name: None,
        store: AnswerStore | None = None,
        allow_shell: bool = False,
        engine: str = DUCKDB,
    ) -> None:
        self.chosen = engine
        self.variables = Variables()
        self.models: Models = models or ClusterModels(existing_session)
        self.functions: dict[str, Function] = {
            "llm_split": Function("llm_split", python=macros.llm_split)
        }
        self.setup: dict[str, str] = {}
        self.partitions: dict[str, int] = {}
        self.allow_shell = allow_shell
        self._data = data
        self._store = store
        self._worlds: dict[str, World] = {}
        self._world = self.use(engine)

    def use(self, engine: str) -> World:
        """Let an engine run what follows; its tables are there again, and those of the others by
        their names, as copies.

        Raises:
            InvalidRequestError: There is none of that name, or it can't be started.
        """
        world = self._worlds.get(engine)
        if world is None:
            made = make_engine(engine)
            world = self._worlds[engine] = World(made, Tables(made, self._found))
        self._world = world
        return world

    @property
    def engine(self) -> Engine:
        """Where tables live now."""
        return self._world.engine

    @property
    def tables(self) -> Tables:
        """Names of the tables."""
        return self._world.tables

    @property
    def connections(self) -> dict[str, Path | None]:
        """See :class:`World`."""
        return self._world.connections

    @property
    def remake(self) -> dict[str, tuple[exp.Query, set[str]]]:
        """See :class:`World`."""
        return self._world.remake

    @property
    def last(self) -> str:
        """Name of the last table."""
        return self._world.last

    @last.setter
    def last(self, name: str) -> None:
        self._world.last = name

    def all_of(self, table: str) -> str:
        """A query for all rows of a table, by the engine's name of it."""
        return f"select * from {self.engine.words.quoted(table)}"

    def hold(self) -> Held:
        """What the tables are now; it stays until :meth:`restore`."""
        return Held(
            self.chosen,
            {name: world.tables.snapshot() for name, world in self._worlds.items()},
            {name: dict(world.remake) for name, world in self._worlds.items()},
            {name: world.last for name, world in self._worlds.items()},
        )

    def restore(self, held: Held) -> None:
        """Let the tables be what they were."""
        self.chosen = held.chosen
        for name, world in self._worlds.items():
            world.tables.restore(held.names.get(name, {}))
            world.remake = held.remake.get(name, {})
            world.last = held.last.get(name, "")

    def store(self) -> AnswerStore:
        """The kept answers; opened on first use."""
        if self._store is None:
            self._store = AnswerStore()
        return self._store

    def lifted(self) -> Functions:
        """The functions that are lifted out of a query: the session's, and all deployed models."""
        deployed: dict[str, Function] | None = None

        def find(name: str) -> Function | None:
            nonlocal deployed
            known = self.functions.get(name.lower())
            if known is None:
                if deployed is None:
                    deployed = self._deployed()
                known = deployed.get(name.lower())
            return known

        return Functions(find, self.engine.aggregates())

    def close(self) -> None:
        """Free everything; kept answers stay."""
        for world in self._worlds.values():
            world.engine.close()
        if self._store is not None:
            self._store.close()

    def _found(self, name: str) -> Any:
        """A table of another engine, or a variable of the notebook."""
        for world in self._worlds.values():
            if world is not self._world and name in world.tables:
                made = world.engine.words.quoted(world.tables.find(name))
                return world.engine.query(f"select * from {made}")
        return self._data(name)

    def _deployed(self) -> dict[str, Function]:
        try:
            names = self.models.names()
        except ByzerLabError:  # the engine will say that it has no such function
            names = []
        return {name.lower(): Function(name, model=name) for name in names}
