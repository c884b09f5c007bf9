"""A session whose models are scripted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.sql.commands.running import Runner, Way
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.models.answering import Budget, Report
from byzer_lab.sql.models.store import AnswerStore
from tests.sql.scripted import ScriptedModels


class Lab:
    """A session, and what came of its scripts.

    Attributes:
        names: What stands for the notebook's variables.
        models: Who answers.
        said: Sentences that scripts said.
        plan: Parts of plans.
    """

    def __init__(self, folder: Path, models: ScriptedModels, engine: str = "duckdb") -> None:
        self.models = models
        self.names: dict[str, Any] = {}
        self.said: list[str] = []
        self.plan: list[str] = []
        self.report = Report()
        self.store = AnswerStore(folder / "answers.db")
        self.session = SqlSession(models, self.names.get, self.store, engine=engine)

    def run(self, script: str, dialect: Any = "spark", **budget: Any) -> list[dict[str, Any]]:
        """The rows of a script's last table."""
        way = Way(Budget(**budget), dialect, self.said.append, planned=self.plan.append)
        self.report = way.report
        made = Runner(self.session, way).run(script)
        return self.session.engine.query(self.session.all_of(made)).to_pylist() if made else []

    def close(self) -> None:
        self.session.close()


@pytest.fixture
def models() -> ScriptedModels:
    return ScriptedModels()


@pytest.fixture
def lab(tmp_path: Path, models: ScriptedModels, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    monkeypatch.chdir(tmp_path)
    lab = Lab(tmp_path, models)
    yield lab
    lab.close()


@pytest.fixture
def lab_of(tmp_path: Path) -> Iterator[Callable[[ScriptedModels], Lab]]:
    """Makes sessions over one store of answers."""
    labs: list[Lab] = []

    def make(models: ScriptedModels) -> Lab:
        labs.append(Lab(tmp_path, models))
        return labs[-1]

    yield make
    for one in labs:
        one.close()
