"""The notebook of pictures and sounds, run as it is, on the models that the tests have trained."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from byzer_lab.cluster.runtime import Runtime

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "05_images_and_audio.ipynb"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_runs_and_what_it_shows_is_right(
    cluster: Runtime, hearing_model: Path, painter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARS", str(hearing_model))
    monkeypatch.setenv("PAINTER", str(painter))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, kernel_name="python3", timeout=240, resources=resources).execute()
    nbformat.validate(notebook)
    bundles = [
        output.get("data", {"text/plain": output.get("text", "")})
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]
    whole = "\n".join(bundle.get("text/plain", "") for bundle in bundles)
    for expected in (
        "same picture: True",
        "a blue square · True",
        "tief hoch mittel · german",
        "low high mid",
        "32 words",
        "16000 samples a second, audio/wav",
        "['0', '1', '2']",
        "WEBVTT",
    ):
        assert expected in whole
    assert sum("image/png" in bundle for bundle in bundles) == 2
    players = [bundle for bundle in bundles if "<audio controls" in bundle.get("text/html", "")]
    assert len(players) == 1
    table = next(
        bundle["text/html"] for bundle in bundles if "heard" in bundle.get("text/html", "")
    )
    for word in ("low", "mid", "high", "true"):
        assert word in table.lower()
