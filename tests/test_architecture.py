"""The house of docs/architecture.md: imports go down, heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import graphlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import byzer_lab
from byzer_lab.engines import BACKENDS
from byzer_lab.engines.families import BY_TYPE

REPOSITORY = Path(__file__).parent.parent
PACKAGE = REPOSITORY / "byzer_lab"
MAGICS = REPOSITORY / "magics" / "byzer_lab_magics"

GROUND = {
    "bounds",
    "config",
    "content",
    "deployment",
    "drawing",
    "errors",
    "generation",
    "jobs",
    "log_capture",
    "records",
    "routing",
    "schema",
    "secret_store",
    "secrets",
    "speech",
    "tagged_calls",
    "types",
    "vectors",
    "web",
    "worker_calls",
    "worker_client",
}
"""Modules that every room may use."""

ROOMS: dict[str, set[str]] = {
    "bundled": set(),
    "sandbox": set(),
    "engines": set(),
    "providers": {"engines"},
    "workers": {"engines", "bundled"},
    "training": {"engines", "bundled"},
    "registry": {"workers", "engines", "training"},
    "gateway": set(),
    "cluster": {"registry", "gateway"},
    "client": {"cluster", "sandbox"},
    "utils": {"client"},
    "sql": {"client"},
    "compat": set(),
    "cli": {"client", "cluster", "gateway", "sql"},
    "jupyter": {"cluster"},
    "widgets": {"client", "cluster", "engines", "providers", "bundled"},
    "magics": {"client", "cluster", "engines", "sql", "training", "widgets"},
}
"""What each room may import beside the ground, itself and the version."""

FROM_THE_CLUSTER = {"connect", "launch", "runtime"}
"""The modules of the cluster's room that the floors above may use."""

PLACES: dict[str, set[str]] = {
    "ray": {"cluster", "engines", "gateway", "registry", "training", "workers"},
    "torch": {"engines", "training"},
    "transformers": {"engines", "training"},
    "trl": {"training"},
    "peft": {"engines", "training"},
    "datasets": {"training"},
    "diffusers": {"engines"},
    "vllm": {"engines"},
    "deepspeed": {"engines", "training"},
    "sentence_transformers": {"engines"},
    "sqlite3": {"registry", "sql"},
    "uvicorn": {"web"},
    "starlette": {"web", "gateway", "workers"},
    "httpx": {
        *("client", "engines", "gateway", "jupyter", "providers"),
        *("worker_calls", "worker_client"),
    },
    "prometheus_client": {"gateway"},
    "websockets": {"providers"},
    "jupyter_server": {"jupyter"},
    "tornado": {"jupyter"},
    "IPython": {"magics"},
    "ipywidgets": {"widgets"},
    "duckdb": {"sql"},
    "sqlglot": {"sql"},
    "pyarrow": {"sql", "training"},
    "pyspark": {"sql"},
    "typer": {"cli"},
}
"""Where a library may be used at all."""

LAZY = {
    *("ray", "torch", "transformers", "sentence_transformers", "uvicorn", "vllm", "deepspeed"),
    *("trl", "peft", "datasets", "diffusers"),
}
"""Never imported at module level ..."""

AT_ONCE = {
    "engines": {
        *("torch", "transformers", "sentence_transformers", "vllm", "deepspeed", "peft"),
        "diffusers",
    },
    "training": {"torch", "transformers", "trl", "peft", "datasets", "deepspeed"},
}
"""... but for the modules that an engine's ``load`` imports: see the test of an engine's class."""


class Import:
    """One import statement.

    Attributes:
        module: What is imported, with its full name.
        at_load: It runs when the module is imported: not in a function, not for types only.
    """

    def __init__(self, path: Path, line: int, module: str, *, at_load: bool) -> None:
        self.where = f"{path.relative_to(REPOSITORY)}:{line}"
        self.module = module
        self.at_load = at_load

    @property
    def library(self) -> str:
        return self.module.partition(".")[0]

    def __repr__(self) -> str:
        return f"{self.where} imports {self.module}"


def imports_of(path: Path) -> Iterator[Import]:
    """Every import of a file, wherever it stands."""

    def walk(node: ast.AST, at_load: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            below = at_load
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                below = False
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                below = False
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(path, child.lineno, alias.name, at_load=at_load)
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"{path}:{child.lineno}: imports here are absolute"
                for alias in child.names:
                    name = f"{child.module}.{alias.name}"
                    yield Import(path, child.lineno, name, at_load=at_load)
            else:
                yield from walk(child, below)

    yield from walk(ast.parse(path.read_text()), True)


def room_of(path: Path) -> str:
    """The room that a file lies in; a module of the ground is a room of its own."""
    if path.is_relative_to(MAGICS):
        return "magics"
    first, *rest = path.relative_to(PACKAGE).parts
    return first if rest else Path(first).stem


def target_of(module: str) -> str:
    """The room that an import of ours leads to."""
    first, *rest = module.split(".")
    if first == "byzer_lab_magics":
        return "magics"
    return rest[0] if rest else "__init__"


FILES = [*sorted(PACKAGE.rglob("*.py")), *sorted(MAGICS.rglob("*.py"))]
IMPORTS = [(room_of(path), found) for path in FILES for found in imports_of(path)]
OURS = [(room, found) for room, found in IMPORTS if found.library.startswith("byzer_lab")]


def test_every_folder_is_a_room_of_the_page() -> None:
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders | {"magics"} == set(ROOMS)
    modules = {path.stem for path in PACKAGE.glob("*.py")}
    assert modules == GROUND | {"__init__"}


def test_imports_go_down() -> None:
    wrong = []
    for room, found in OURS:
        target = target_of(found.module)
        if room == "__init__" or target in {room, "__version__"}:
            continue  # the package's own names are looked up when they are used
        if target not in GROUND | ROOMS.get(room, set()):
            wrong.append(found)
    assert not wrong


def test_no_rooms_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for room, found in OURS:
        target = target_of(found.module)
        if room != "__init__" and target not in {room, "__version__"}:
            graph.setdefault(room, set()).add(target)
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


def test_floors_above_see_only_the_clusters_front() -> None:
    """Starting Ray happens in a process of its own."""
    wrong = [
        found
        for room, found in OURS
        if room in {"client", "cli", "jupyter", "widgets", "magics"}
        and target_of(found.module) == "cluster"
        and found.module.split(".")[2] not in FROM_THE_CLUSTER
    ]
    assert not wrong


def test_libraries_are_used_in_their_rooms_only() -> None:
    wrong = [
        found
        for room, found in IMPORTS
        if found.library in PLACES and room not in PLACES[found.library]
    ]
    assert not wrong


def test_no_room_is_listed_that_uses_no_such_library() -> None:
    used = {(found.library, room) for room, found in IMPORTS}
    listed = {(library, room) for library, rooms in PLACES.items() for room in rooms}
    assert listed <= used


def test_heavy_libraries_are_imported_in_functions() -> None:
    wrong = [
        found
        for room, found in IMPORTS
        if found.at_load and found.library in LAZY - AT_ONCE.get(room, set())
    ]
    assert not wrong


def loaded_by(program: str, *names: str) -> set[str]:
    """Which of these libraries a fresh Python has loaded after running a program."""
    code = f"{program}\nimport sys\nprint(*({{*{names!r}}} & set(sys.modules)))"
    run = [sys.executable, "-c", code]
    answer = subprocess.run(run, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    return set(answer.stdout.split("\n")[-2].split())


@pytest.mark.parametrize(
    "target", sorted({*(b.engine for b in BACKENDS.values()), *BY_TYPE.values()})
)
def test_an_engines_class_is_cheap(target: str) -> None:
    """The registry imports it to check a deploy."""
    module, _, name = target.partition(":")
    program = f"from {module} import {name}"
    assert not loaded_by(program, "torch", "transformers", "ray", "vllm", "deepspeed")


def test_import_byzer_lab_loads_nothing_else() -> None:
    assert not loaded_by("import byzer_lab", "ray", "torch", "transformers", "httpx", "msgspec")


def test_the_client_loads_nothing_heavy() -> None:
    program = "from byzer_lab import ByzerLLM, prompt"
    heavy = ("pydantic", "jsonschema", "jinja2", "json_repair", "docstring_parser")
    assert not loaded_by(program, "ray", "torch", "transformers", "IPython", "starlette", *heavy)


def test_load_ext_loads_nothing_heavy() -> None:
    program = (
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'byzer_lab')"
    )
    heavy = ("ray", "torch", "transformers", "jupyter_server", "httpx", "jinja2", "ipywidgets")
    assert not loaded_by(program, *heavy)


def test_help_and_completion_load_no_widgets() -> None:
    program = "from byzer_lab.widgets import catalog, draft, equivalents, surroundings"
    assert not loaded_by(program, "ipywidgets", "ray", "torch", "transformers", "IPython")


def test_the_jupyter_server_extension_loads_nothing_heavy() -> None:
    program = "import byzer_lab\nbyzer_lab._jupyter_server_extension_points()"
    assert not loaded_by(program, "ray", "torch", "transformers")


def test_one_version() -> None:
    package = json.loads((REPOSITORY / "package.json").read_text())
    assert byzer_lab.__version__ == package["version"]
