"""Notebooks that use the magics, run headless."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from byzer_lab.cluster.runtime import Runtime
from tests.conftest import COUNTING

DEPLOY = f"%%llm_deploy book --model_path none --backend {COUNTING}"


def execute(*cells: str) -> nbformat.NotebookNode:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    nbformat.validate(notebook)
    return notebook


def test_a_notebook_runs_top_to_bottom(cluster: Runtime) -> None:
    notebook = execute(
        "%load_ext byzer_lab",
        DEPLOY,  # alone in its cell, as the sidebar inserts it
        "%llm_list",
        "%%prompt book --max_tokens 5 --as answer\nCount, please.",
        "print(answer)",
        "%llm_undeploy book",
    )
    outputs = [cell.outputs for cell in notebook.cells]
    assert outputs[0] == []
    [state] = outputs[1]
    assert state.data["text/plain"].startswith("✓ book: ready")
    assert "book" in outputs[2][0].data["text/plain"]
    answer, footer = outputs[3]
    assert answer.data["text/markdown"] == "1 2 3 4 5 "
    assert answer.metadata["byzer_lab"]["output_tokens"] == 5
    assert footer.data["text/plain"].startswith("book · ")
    assert outputs[4][0].text == "1 2 3 4 5 \n"
    assert outputs[5][0].data["text/plain"].startswith("✓ book: undeployed")


@pytest.mark.parametrize(
    ("cell", "sentence"),
    [
        ("%%prompt nobody\nHi", "There is no deployment 'nobody'"),
        ("%%prompt --nosuch\nHi", "has no option --nosuch"),
        (f"{DEPLOY}\nfail = Broken.", "Broken."),
    ],
)
def test_a_failed_cell_fails_the_notebook(cluster: Runtime, cell: str, sentence: str) -> None:
    try:
        with pytest.raises(CellExecutionError) as caught:
            execute("%load_ext byzer_lab", cell)
        assert sentence in str(caught.value)
    finally:
        if "deploy" in cell:
            execute("%load_ext byzer_lab", "%llm_undeploy book --force")
