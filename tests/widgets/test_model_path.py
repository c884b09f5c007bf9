"""The model's path: what is proposed, and what is seen there. No network."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.widgets.model_path import MOST_PROPOSALS, look, proposals


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with models, beside an empty cache of the hub."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "models"
    shutil.copytree(bundled_model(), folder / "demo")
    (folder / "empty").mkdir()
    (folder / ".hidden").mkdir()
    (folder / "notes.txt").touch()
    shutil.copy(folder / "demo" / "byzer-lab-demo.gguf", folder / "demo.gguf")
    return folder


def test_a_path_is_completed(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert proposals(f"{models}/") == [
        f"{models}/{name}" for name in ("demo", "demo.gguf", "empty")
    ]
    assert proposals(f"{models}/d") == [f"{models}/demo", f"{models}/demo.gguf"]
    assert proposals(f"{models}/.h") == [f"{models}/.hidden"]
    assert proposals(f"{models}/nosuch/x") == []
    monkeypatch.setenv("HOME", str(models.parent))
    assert proposals("~/models/e") == ["~/models/empty"]
    for number in range(MOST_PROPOSALS + 5):
        (models / f"many{number}").mkdir()
    assert len(proposals(f"{models}/many")) == MOST_PROPOSALS


def test_before_a_path_is_begun_the_latest_downloads_are_proposed(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert proposals("") == ["bundled"]
    cache = models.parent / "hub"
    for age, name in enumerate(["models--org--new", "models--org--old", "datasets--org--data"]):
        (cache / name).mkdir(parents=True)
        os.utime(cache / name, (1000 - age, 1000 - age))
    assert proposals("") == ["bundled", "org/new", "org/old"]
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(models))
    (models / "hub" / "models--gpt2").mkdir(parents=True)
    assert proposals("") == ["bundled", "gpt2"]


def test_the_family_is_seen(models: Path) -> None:
    for path in ("bundled", str(models / "demo")):
        assert look(path, "transformers", local=True).summary == "llama · LlamaForCausalLM"
    assert look("bundled", "llama_cpp", local=True).summary == "GGUF · byzer-lab-demo.gguf"
    assert look(f"{models}/demo.gguf", "llama_cpp", local=True).problem == ""


def test_a_relative_path_is_the_kernels(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models.parent)
    for path in ("models/demo.gguf", "./models/demo.gguf"):
        assert look(path, "llama_cpp", local=True).summary == "GGUF · demo.gguf"


def test_a_model_of_the_hub(models: Path) -> None:
    assert "its workers download it" in look("org/name", "transformers", local=True).summary
    snapshot = models.parent / "hub" / "models--org--name" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    config = {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}
    (snapshot / "config.json").write_text(json.dumps(config))
    seen = look("org/name", "transformers", local=True)
    assert (seen.summary, seen.problem) == ("qwen2 · Qwen2ForCausalLM; downloaded", "")


@pytest.mark.parametrize(
    ("path", "backend", "sentence"),
    [
        ("{models}/nosuch", "transformers", "There is no folder '{models}/nosuch'"),
        ("nosuch", "transformers", "There is no folder"),
        ("{models}/empty", "transformers", "The folder '{models}/empty' has no config.json"),
        ("{models}/empty", "llama_cpp", "The folder '{models}/empty' has no .gguf file"),
        ("{models}/demo.gguf", "transformers", "'{models}/demo.gguf' is a GGUF model"),
    ],
)
def test_what_can_not_be_deployed(
    models: Path, monkeypatch: pytest.MonkeyPatch, path: str, backend: str, sentence: str
) -> None:
    monkeypatch.chdir(models.parent)
    seen = look(path.format(models=models), backend, local=True)
    assert sentence.format(models=models) in seen.problem
    assert seen.summary == ""


def test_a_path_of_another_machine_is_taken_as_it_is() -> None:
    seen = look("/models/over/there", "transformers", local=False)
    assert (seen.summary, seen.problem) == (
        "Not on this machine; it must be where the workers run.",
        "",
    )
