"""The notebooks that come with the repository, run as ``make demo`` runs one, each on a cluster of
its own."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LIMIT_S = 560
STOP_LIMIT_S = 60
NOT_INHERITED = (
    "BYZER_LAB_URL",
    "BYZER_LAB_TOKEN",
    "BYZER_LAB_RAY_ADDRESS",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
)
"""A cluster elsewhere, and a real provider."""
ANSWER = "The capital of France is Paris."


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """With a home of its own, whose cluster is stopped at the end, also after a failure."""
    kept = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    with tempfile.TemporaryDirectory(prefix="bl-", ignore_cleanup_errors=True) as home:
        environment = {**kept, "BYZER_LAB_HOME": home, "PYTHONPATH": str(REPOSITORY)}
        yield environment
        down = [
            sys.executable,
            "-c",
            "from byzer_lab.cluster.launch import stop_cluster; stop_cluster()",
        ]
        subprocess.run(down, env=environment, timeout=STOP_LIMIT_S, check=True)


def shown_by(notebook: str, environment: dict[str, str]) -> str:
    """What its cells show, without the cells."""
    done = subprocess.run(
        [sys.executable, "tools/demo.py", f"notebooks/{notebook}"],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    assert not (Path(environment["BYZER_LAB_HOME"]) / "runtime.json").exists()  # it is stopped
    return "\n".join(line for line in done.stdout.splitlines() if not line.startswith(">>>"))


def have(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


@pytest.mark.slow
@pytest.mark.timeout(620)
def test_deploys(environment: dict[str, str]) -> None:
    shown = shown_by("01_deploy.ipynb", environment)
    expected = [
        "✓ chat: ready · bundled · transformers · 2 workers",
        "The capital of Japan is Tokyo.",
        "✓ chat: 1 worker",
        "more than the 16 that setup_max_input_length allows.",
        "\n**Byzer Lab** is\n**Byzer Lab** is a workb\n",
        "wants 8 GPUs, but the cluster's nodes have",
        "\n1/1\n2/2\n",
        "✓ busy: undeployed",
        "✓ chat: undeployed",
    ]
    for backend in ("transformers", "llama_cpp", "vllm", "deepspeed"):  # named as their libraries
        expected += [f"\n{backend:14}{ANSWER}"] if have(backend) else []
    expected += [f"nf4: {ANSWER}"] if have("bitsandbytes") else []
    expected += ["2 vectors of 256 numbers"] if have("llama_cpp") else []
    assert [text for text in expected if text not in shown] == [], shown


@pytest.mark.slow
@pytest.mark.timeout(620)
def test_prompts_and_tools(environment: dict[str, str]) -> None:
    shown = shown_by("02_prompts_and_tools.ipynb", environment)
    expected = [
        "{'structured_output': 'constrained', 'support_tools': True}",
        "Person(name='Anna Berg', age=34, city='Oslo')",
        "Person\n  name: Anna Berg\n  age: 34\n  city: Oslo\n",
        "name='Ann' age=None city=None\n",
        "<Colour.GREEN: 'green'> 1\n'b' 1\nNode(value=3, children=[",
        "Story(title='勇敢的小兔子', body='",
        "'required': ['count', 'unit']",
        "你吃饭了么？ → 您好，我是一个人工智能语言模型，暂时无法吃饭。",
        "compute_date_range: Called\n  arguments: dict\n    count: 3\n    unit: month\n",
        "results went back once",
        "[]\ncompute_later raised RuntimeError: The clock is broken.",
        "['sunny in Oslo']",
        "The capital of France is Paris.\n'\\nWhat is the capital of Japan?\\n'",
        "The capital of Italy is Rome.\nRome",
        "no parameter of it; did you mean country?",
        "[1, 2, 3] [4, 5]",
        "Your name is Ann.",
        "As JSON with the keys title and body.",
        "✓ chat: undeployed",
    ]
    assert [text for text in expected if text not in shown] == [], shown
    pieces = "city='Rome')\nLAMP"  # where the text is cut is a matter of time
    assert pieces in shown.replace("|", "")
