"""The line that the deploy form shows deploys the same."""

from __future__ import annotations

import subprocess
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from byzer_lab.cli.main import app
from byzer_lab.generation import read_sampling
from byzer_lab.records import DeploymentSpec
from byzer_lab.widgets.equivalents import as_shell
from tests.widgets.test_equivalents import SPECS, caught_deploys


def deployed_by(words: list[str], monkeypatch: pytest.MonkeyPatch) -> DeploymentSpec:
    """Run the command up to where it would talk to a cluster."""
    found = caught_deploys(monkeypatch)
    answer = CliRunner().invoke(app, words[1:])
    assert found, answer.output
    return found[0]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_shell_deploys_the_same(spec: DeploymentSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    text = as_shell(spec)
    listed = subprocess.run(
        ["bash", "-c", f"printf '%s\\0' {text}"], capture_output=True, text=True, check=True
    )
    words = listed.stdout.split("\0")[:-1]
    found = deployed_by(words, monkeypatch)
    plain = {
        name: value if isinstance(value, str | list | dict) else msgspec.json.encode(value).decode()
        for name, value in spec.infer_params.items()
    }
    assert found == msgspec.structs.replace(spec, infer_params=plain)
    assert found.generation == read_sampling(msgspec.to_builtins(spec.generation))


def test_a_short_line() -> None:
    assert as_shell(DeploymentSpec("chat", "bundled"), replace=True).splitlines() == [
        "byzer-lab deploy --model chat \\",
        "    --model_path bundled \\",
        "    --replace",
    ]


BYZER_LLM = [
    (
        "deploy --model_path /models/openbuddy --pretrained_model_type custom/auto "
        "--gpu_gpus_per_worker 4 --num_workers 1 --model llama2_chat",
        {"gpus_per_worker": 4.0, "model_path": "/models/openbuddy"},
        {},
    ),
    (
        "deploy --pretrained_model_type saas/qianwen --cpus_per_worker 0.01 --gpus_per_worker 0 "
        "--num_workers 1 --infer_params saas.api_key=xxxxx saas.model=qwen-max "
        "--model qianwen_short_chat",
        {"cpus_per_worker": 0.01, "pretrained_model_type": "saas/qianwen"},
        {"saas.api_key": "xxxxx", "saas.model": "qwen-max"},
    ),
    (
        "deploy --pretrained_model_type custom/auto --infer_backend llama_cpp --gpus_per_worker 2 "
        "--cpus_per_worker 0.001 --num_workers 1 --worker_concurrency 10 "
        "--infer_params verbose=true num_gpu_layers=30 --model_path /models/qwen.gguf --model q",
        {"backend": "llama_cpp", "worker_concurrency": 10, "workers": 1},
        {"verbose": "true", "num_gpu_layers": "30"},
    ),
]


@pytest.mark.parametrize(("line", "settings", "infer_params"), BYZER_LLM)
def test_lines_written_for_byzer_llm(
    line: str,
    settings: dict[str, Any],
    infer_params: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = deployed_by(["byzer-lab", *line.split()], monkeypatch)
    assert {name: getattr(found, name) for name in settings} == settings
    assert found.infer_params == infer_params
