"""docs/cli.md is what the commands say, and README's shell lines are commands."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from typer.main import get_command

from byzer_lab.cli.main import app
from byzer_lab.cli.options import option_names

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/cli.md", "docs/openai-server.md"]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cli_reference", ROOT / "tools/cli_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(tool: ModuleType) -> None:
    assert tool.PAGE.read_text(encoding="utf-8") == tool.page(), (
        "docs/cli.md is older than the commands: run python tools/cli_reference.py"
    )


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_the_pages_are_there(tool: ModuleType, page: str) -> None:
    known = dict(tool.commands(get_command(app), "byzer-lab"))
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    found = 0
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            words = line.split("#")[0].split()
            if words[:1] != ["byzer-lab"]:
                continue
            name = next((" ".join(words[:n]) for n in (3, 2) if " ".join(words[:n]) in known), "")
            assert name, line
            options = {word[2:].partition("=")[0] for word in words if word.startswith("--")}
            names = option_names(known[name])
            unknown = {o for o in options if o and o.replace("-", "_") not in names}
            assert not unknown, line
            found += 1
    assert found
