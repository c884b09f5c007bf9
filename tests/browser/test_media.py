"""Players, pictures and transcripts in a notebook, and after it was saved and opened again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jupyter_process import JupyterProcess
from playwright.sync_api import Page, expect
from sidebar_page import SidebarPage

from tests.support.drawing import PNG, tone

pytestmark = pytest.mark.browser

CELLS = (
    "from byzer_lab.client.media import Picture, Sound\n"
    "from byzer_lab.speech import Segment, Transcript\n"
    "from byzer_lab_magics.media import Pictures, Transcription\n"
    f"sound = Sound({tone()!r}, 'audio/wav')\n"
    f"picture = Picture({PNG!r}, 'image/png')\n"
    "said = Transcript('<b>Good</b> morning', 'english', 1.5, [Segment(0, 0, 1.5, 'Good')])",
    "sound",
    "Pictures([picture, picture])",
    "Transcription([said], ['a.wav'], 'text', [])",
    "Sound(b'x' * (9 << 20), 'audio/wav')",
)
PLAYS = """async audio => {
  if (audio.readyState < 1) await new Promise(done => audio.onloadedmetadata = done);
  return audio.duration;
}"""


def notebook() -> str:
    cells = [
        {"cell_type": "code", "id": f"cell-{n}", "source": source, "metadata": {}, "outputs": [],
         "execution_count": None}
        for n, source in enumerate(CELLS)
    ]  # fmt: skip
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    return json.dumps({"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})


def expect_media(page: Page) -> None:
    player = page.locator("audio")
    expect(player).to_have_count(1)
    assert player.evaluate(PLAYS) == pytest.approx(0.5, abs=0.01)
    images = page.locator(".jp-RenderedImage img")
    expect(images).to_have_count(2)
    assert images.first.evaluate("image => image.naturalWidth") == 8
    expect(page.get_by_text("<b>Good</b> morning", exact=True)).to_be_visible()
    expect(page.get_by_text("too large to be kept in a notebook").first).to_be_visible()


def test_they_stay_in_a_saved_notebook(
    page: Page, notebook_app: JupyterProcess, pictures: Path
) -> None:
    path = notebook_app.root / "media.ipynb"
    path.write_text(notebook())
    sidebar = SidebarPage(page)
    sidebar.open_notebook(notebook_app, "media.ipynb")
    page.wait_for_function("() => window.jupyterapp.shell.currentWidget?.sessionContext")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.ready")
    sidebar.run("notebook:run-all-cells")
    expect(page.locator("audio")).to_have_count(1, timeout=60_000)
    expect_media(page)
    sidebar.picture(pictures, "media")
    sidebar.run("docmanager:save")
    assert path.stat().st_size < 200_000  # what is too large is not in it
    sidebar.open_notebook(notebook_app, "media.ipynb")
    expect_media(page)
