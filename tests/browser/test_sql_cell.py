"""Cells of ``%%llm_sql`` are highlighted as SQL."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_gateway import FakeGateway
from playwright.sync_api import expect
from sidebar_page import SidebarPage

pytestmark = pytest.mark.browser

CELL = """%%llm_sql -o moods
-- Which reviews are good?
!byzerllm setup single;
load csv.`reviews.csv` where header="true" as reviews;

select id, llm_result(chat(llm_prompt('''
Is this review ${kind}? {0}
''', array(text)))) as mood
from reviews where id < 100
as moods;"""
SET_SOURCE = """source => {
  const panel = window.jupyterapp.shell.currentWidget;
  panel.content.activeCell.model.sharedModel.setSource(source);
}"""
COLORS = """words => {
  const lines = document.querySelector('.jp-Notebook .jp-CodeCell .cm-content');
  const walker = document.createTreeWalker(lines, NodeFilter.SHOW_TEXT);
  const found = {};
  while (walker.nextNode()) {
    const text = walker.currentNode.data;
    const inside = walker.currentNode.parentElement;
    for (const word of words) {
      if (text.includes(word) && !(word in found)) {
        found[word] = getComputedStyle(inside).color;
      }
    }
  }
  return found;
}"""
WORDS = ["select", "-- Which", "!byzerllm", "reviews.csv", "Is this review", "${kind}", "100", "as"]


def test_a_cell_of_sql(gateway: FakeGateway, sidebar: SidebarPage, pictures: Path) -> None:
    sidebar.new_notebook()
    page = sidebar.page
    page.evaluate(SET_SOURCE, CELL)
    expect(page.locator(".jp-Notebook .cm-content").first).to_contain_text("from reviews")
    page.wait_for_function(
        f"() => {{ const found = ({COLORS})({WORDS!r}); return found['select'] === found['as']; }}"
    )
    colors: dict[str, str] = page.evaluate(COLORS, WORDS)
    assert set(colors) == set(WORDS)
    kinds = ("select", "-- Which", "!byzerllm", "Is this review", "${kind}", "100")
    assert len({colors[word] for word in kinds}) == len(kinds)
    sidebar.picture(pictures, "sql")

    page.evaluate(SET_SOURCE, CELL.replace("%%llm_sql", "# no magic"))
    page.wait_for_function(
        f"() => ({COLORS})(['!byzerllm'])['!byzerllm'] !== {colors['!byzerllm']!r}"
    )
