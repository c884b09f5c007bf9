"""``secrets``, ``notebooks`` and ``doctor``: what needs no cluster."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from byzer_lab import secret_store
from byzer_lab.cli.main import app
from byzer_lab.errors import ClusterError, ConflictError, InvalidRequestError, NotFoundError
from byzer_lab.secret_store import store_path, store_secret, stored_secrets
from byzer_lab.secrets import collect


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BYZER_LAB_URL", raising=False)
    monkeypatch.setattr(secret_store, "_keyring", lambda: None)  # of who runs the tests
    return tmp_path


def run(*words: str, stdin: str = "") -> Any:
    return CliRunner().invoke(app, list(words), input=stdin)


def test_a_secrets_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_TOKEN", raising=False)
    with pytest.raises(InvalidRequestError, match="byzer-lab secrets set MY_TOKEN"):
        collect("${MY_TOKEN}")
    said = run("secrets", "set", "MY_TOKEN", stdin="hush-hush\n")
    assert "hush" not in said.output
    assert store_path().stat().st_mode & 0o777 == 0o600
    assert collect({"a": ["${MY_TOKEN}"]}) == {"MY_TOKEN": "hush-hush"}
    monkeypatch.setenv("MY_TOKEN", "of the environment")
    assert collect("${MY_TOKEN}") == {"MY_TOKEN": "of the environment"}
    assert run("secrets", "list").output == "MY_TOKEN\n"
    assert json.loads(run("secrets", "list", "--json").output) == ["MY_TOKEN"]
    run("secrets", "remove", "MY_TOKEN")
    assert stored_secrets() == {}
    assert isinstance(run("secrets", "remove", "MY_TOKEN").exception, NotFoundError)
    assert isinstance(run("secrets", "set", "a-b", stdin="x").exception, InvalidRequestError)
    assert isinstance(run("secrets", "set", "AB", stdin="").exception, InvalidRequestError)


def test_a_file_that_others_read_is_not_used() -> None:
    store_secret("A", "hush")
    store_path().chmod(0o644)
    with pytest.raises(ClusterError, match="chmod 600"):
        stored_secrets()
    found = {one["check"]: one for one in json.loads(run("doctor", "--json").output)}
    assert found["files"]["state"] == "problem"
    assert "chmod 600" in found["files"]["fix"]
    assert run("doctor").exit_code == 1
    assert "hush" not in run("doctor").output
    store_path().write_text("{")
    store_path().chmod(0o600)
    with pytest.raises(ClusterError, match="damaged"):
        stored_secrets()


def test_doctor_on_this_machine() -> None:
    answer = run("doctor", "--json")
    found = {one["check"]: one for one in json.loads(answer.output)}
    assert found["Python"]["state"] == found["ray"]["state"] == found["files"]["state"] == "ok"
    assert found["cluster"]["fix"] == "run 'byzer-lab up'"
    assert "8000" in found["port"]["found"]
    assert all(one["fix"] for one in found.values() if one["state"] == "problem")


def test_notebooks_are_copied(home: Path) -> None:
    names = json.loads(run("notebooks", "list", "--json").output)
    assert "00_quickstart.ipynb" in names
    target = home / "mine"
    assert run("notebooks", "export", str(target)).exit_code == 0
    assert sorted(path.name for path in target.iterdir()) == names
    assert isinstance(run("notebooks", "export", str(target)).exception, ConflictError)
    assert run("notebooks", "export", str(target), "--force").exit_code == 0
