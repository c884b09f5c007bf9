"""Commands against a real cluster, as processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.cluster.runtime import Runtime
from tests.conftest import COUNTING


def byzer_lab(*words: str, stdin: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    run = [sys.executable, "-c", "from byzer_lab.cli.main import main; main()", *words]
    answer = subprocess.run(run, capture_output=True, text=True, input=stdin, timeout=120)
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer


@pytest.fixture
def deployed(cluster: Runtime, llm: ByzerLLM) -> str:
    """A model deployed by the command."""
    answer = byzer_lab(
        *("deploy", "--model", "by-cli", "--infer_backend", COUNTING, "--num-workers", "1"),
        *("--worker_concurrency", "3", "--infer_params", "delay_s=0.001", "saas.api_key=hush-hush"),
    )
    assert answer.stdout == "Model by-cli deployed successfully\n"
    return "by-cli"


def test_a_models_life(deployed: str) -> None:
    same = ("deploy", "--model", deployed, "--infer_backend", COUNTING)
    params = ("--infer_params", "delay_s=0.001 saas.api_key=hush-hush", "--worker_concurrency=3")
    assert byzer_lab(*same, *params).stdout == f"Model {deployed} already deployed\n"
    assert "with other settings" in byzer_lab(*same, "--queue_limit", "9", code=1).stderr

    asked = ("query", "--model", deployed, "--query", "hello", "--llm_config", "max_tokens=3")
    assert byzer_lab(*asked).stdout == "1 2 3 \n"
    assert json.loads(byzer_lab(*asked, "--json").stdout)["output"] == "1 2 3 "
    said = byzer_lab("chat", deployed, "--llm_config", "max_tokens=2", stdin="a\n/clear\nb\n")
    assert said.stdout == "1 2 \n1 2 \n"

    [row] = json.loads(byzer_lab("list", "--json").stdout)[-1:]
    assert (row["model"], row["state"], row["workers"]) == (deployed, "ready", "1/1")
    assert deployed in byzer_lab("list").stdout
    facts = json.loads(byzer_lab("stat", "--model", deployed, "--json").stdout)
    assert facts["total_workers"] == 1
    assert facts["worker_max_concurrency"] == 3
    assert facts["load_balance_strategy"] == "lru"
    assert json.loads(byzer_lab("meta", deployed, "--json").stdout)["backend"] == "counting"
    logged = byzer_lab("logs", deployed, "-n", "50").stdout
    assert "ready at" in logged
    assert "hush-hush" not in logged

    assert byzer_lab("scale", deployed, "--workers", "2").stdout.endswith("to 2 workers\n")
    gone = byzer_lab("undeploy", "--model", deployed).stdout
    assert gone == f"Model {deployed} undeployed successfully\n"
    assert "There is no deployment" in byzer_lab("undeploy", deployed, code=1).stderr


def test_no_secret_is_printed(deployed: str) -> None:
    for words in (["list", "--json"], ["stat", deployed, "--json"], ["meta", deployed, "--json"]):
        assert "hush-hush" not in byzer_lab(*words).stdout


def test_answers_go_to_a_file(deployed: str, tmp_path: Path) -> None:
    target = tmp_path / "answer.txt"
    asked = ("query", "--model", deployed, "--query", "-", "--llm_config", "max_tokens=2")
    byzer_lab(*asked, "--output_file", str(target), stdin="hello")
    assert target.read_text() == "1 2 "


def test_wrong_usage(cluster: Runtime) -> None:
    assert "name the deployment" in byzer_lab("undeploy", code=2).stderr
    assert "two models" in byzer_lab("undeploy", "a", "--model", "b", code=2).stderr
    assert (
        "known are"
        in byzer_lab("query", "--model", "a", "--query", "b", "--template", "c", code=2).stderr
    )
    assert "--query" in byzer_lab("query", "--model", "a", code=2).stderr


def test_without_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    for words in (["list"], ["undeploy", "x"], ["query", "--model", "x", "--query", "y"]):
        assert "not running" in byzer_lab(*words, code=3).stderr
    assert json.loads(byzer_lab("status", "--json", code=3).stdout) == {"running": False}


def test_a_keys_life(cluster: Runtime) -> None:
    made = byzer_lab("keys", "create", "program", "--requests-per-minute", "5")
    key = made.stdout.strip()
    assert key not in made.stderr
    listed = json.loads(byzer_lab("keys", "list", "--json").stdout)
    assert [(one["name"], one["requests_per_minute"]) for one in listed] == [("program", 5)]
    for words in (["keys", "list"], ["keys", "list", "--json"]):
        said = byzer_lab(*words).stdout
        assert key not in said
        assert "hash" not in said
    assert "already" in byzer_lab("keys", "create", "program", code=1).stderr
    byzer_lab("keys", "revoke", "program")
    assert "no key" in byzer_lab("keys", "revoke", "program", code=1).stderr
