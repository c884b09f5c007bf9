"""What stays from cell to cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlglot import exp

from byzer_lab.client.session import existing_session
from byzer_lab.errors import ByzerLabError
from byzer_lab.sql.commands.tables import Tables
from byzer_lab.sql.commands.variables import Variables
from byzer_lab.sql.engine.duck import DuckEngine
from byzer_lab.sql.models import macros
from byzer_lab.sql.models.ask import ClusterModels, Models
from byzer_lab.sql.models.calls import Function, Functions
from byzer_lab.sql.models.store import AnswerStore


class SqlSession:
    """A session of a notebook, or of one script of the command line.

    Args:
        models: Who answers; default: the deployments of the cluster.
        data: Looks a variable of the notebook up; default: there is none.
        store: Kept answers; default: the user's.
        allow_shell: ``set type="shell"`` may run commands.

    Attributes:
        engine: Where tables live.
        tables: Their names.
        variables: What ``set`` set.
        functions: Those of Python and of models, by name in small letters.
        models: Who answers.
        setup: What ``!byzerllm setup`` set.
        connections: What ``connect`` named: a SQLite file, or the engine's name of a database.
        remake: Of each table that holds answers its query, and the tables that it reads.
        last: Name of the last table.
        allow_shell: As given.
    """

    def __init__(
        self,
        models: Models | None = None,
        data: Callable[[str], Any] = lambda name: None,
        store: AnswerStore | None = None,
        allow_shell: bool = False,
    ) -> None:
        self.engine = DuckEngine(prepare=_prepare)
        self.tables = Tables(self.engine, data)
        self.variables = Variables()
        self.models: Models = models or ClusterModels(existing_session)
        self.functions: dict[str, Function] = {
            "llm_split": Function("llm_split", python=macros.llm_split)
        }
        self.setup: dict[str, str] = {}
        self.connections: dict[str, Path | str] = {}
        self.remake: dict[str, tuple[exp.Query, set[str]]] = {}
        self.last = ""
        self.allow_shell = allow_shell
        self._store = store
        self._aggregates: frozenset[str] | None = None

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

        return Functions(find, self.aggregates())

    def aggregates(self) -> frozenset[str]:
        """Names of the engine's aggregate functions."""
        if self._aggregates is None:
            rows = self.engine.query(
                "select distinct function_name as name from duckdb_functions() "
                "where function_type = 'aggregate'"
            )
            self._aggregates = frozenset(rows.column("name").to_pylist())
        return self._aggregates

    def close(self) -> None:
        """Free everything; kept answers stay."""
        self.engine.close()
        if self._store is not None:
            self._store.close()

    def _deployed(self) -> dict[str, Function]:
        try:
            names = self.models.names()
        except ByzerLabError:  # the engine will say that it has no such function
            names = []
        return {name.lower(): Function(name, model=name) for name in names}


def _prepare(connection: Any) -> None:
    from byzer_lab.sql.spark import install

    install(connection)
    macros.install(connection)
