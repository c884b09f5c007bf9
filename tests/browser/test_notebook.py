"""The same sidebar in Notebook 7."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fake_gateway import FakeGateway, deployment
from jupyter_process import JupyterProcess
from playwright.sync_api import Page, expect
from sidebar_page import SidebarPage

pytestmark = pytest.mark.browser

EMPTY_NOTEBOOK = {
    "cells": [],
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    "nbformat": 4,
    "nbformat_minor": 5,
}


@pytest.fixture
def sidebar(page: Page, notebook_app: JupyterProcess) -> SidebarPage:
    """The sidebar, open beside a notebook."""
    (notebook_app.root / "empty.ipynb").write_text(json.dumps(EMPTY_NOTEBOOK))
    sidebar = SidebarPage(page)
    sidebar.open_notebook(notebook_app, "empty.ipynb")
    return sidebar


def test_rows_cells_and_logs(gateway: FakeGateway, sidebar: SidebarPage, pictures: Path):
    gateway.put(deployment("chat"))
    gateway.say("chat", "weights loaded in 0.4 s")
    expect(sidebar.row("chat")).to_contain_text("1/1 worker")
    sidebar.act("chat", "Insert a cell that uses chat")
    sidebar.expect_cells("%load_ext byzer_lab", "%%prompt --model chat\nWhat can you do?")
    sidebar.act("chat", "Logs of chat")
    expect(sidebar.page.get_by_role("log")).to_contain_text("weights loaded in 0.4 s")
    sidebar.picture(pictures, "notebook")
