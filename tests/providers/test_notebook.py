"""The notebook of providers, run as it is, against its stand-in."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from byzer_lab.cluster.runtime import Runtime
from tests.support.stand_in import KEY

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "04_providers.ipynb"


@pytest.mark.slow
def test_it_runs_and_shows_no_key(cluster: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    resources = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(notebook, kernel_name="python3", timeout=240, resources=resources).execute()
    nbformat.validate(notebook)
    assert KEY not in NOTEBOOK.read_text(encoding="utf-8")
    shown = nbformat.writes(notebook)
    assert KEY not in shown
    assert "sk-none-0123456789abcdef" not in "".join(
        str(cell.get("outputs", "")) for cell in notebook.cells
    )
    texts = [
        output.get("text") or output.get("data", {}).get("text/plain", "")
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]
    whole = "\n".join(texts)
    for expected in (
        "You said: Say good morning in three languages.",
        "40 answers, the last one: You said: What is 39 plus one?",
        "You said and showed 1 picture: Which colour is this?",
        "Story(title='text', pages=1)",
        " UTC']",
        "audio/wav",
        "b'PNG'",
        "ProviderAuthenticationError: saas/openai does not accept the key",
        "did you mean saas.model",
        "'currency': 'USD'",
    ):
        assert expected in whole
