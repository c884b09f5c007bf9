"""docs/parameters.md is what the tables say."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from byzer_lab.engines import BACKENDS, find_engine
from byzer_lab.schema import ParameterInfo

SCRIPT = Path(__file__).parents[1] / "tools" / "parameter_reference.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("parameter_reference", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), (
        "docs/parameters.md is older than the tables: run python tools/parameter_reference.py"
    )


def test_every_parameter_of_every_backend_has_its_row(tool: ModuleType) -> None:
    page = tool.page()
    for backend in BACKENDS:
        part = page.partition(f"## Backend {backend}\n")[2].partition("\n## ")[0]
        for info in find_engine(backend).parameters():
            assert f"| `{info.name}` |" in part


def test_a_row_has_all_that_is_known(tool: ModuleType) -> None:
    info = ParameterInfo(
        "n", int, 4, "A | bar.", unit="tokens", least=1, most=9, aliases=("backend.n",)
    )
    assert tool.table([info]).splitlines()[2] == (
        "| `n` | whole number from 1 to 9, tokens | `4` | A \\| bar. | `backend.n` |"
    )
    choice = ParameterInfo("kind", str, "a", "Which.", choices=("a", "b"))
    assert tool.table([choice]).splitlines() == [
        "| name | values | default | meaning |",
        "| --- | --- | --- | --- |",
        "| `kind` | `a`, `b` | `a` | Which. |",
    ]
