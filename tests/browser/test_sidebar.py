"""The sidebar in JupyterLab."""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest
from fake_gateway import FakeGateway, deployment, worker
from jupyter_process import JupyterProcess
from playwright.sync_api import Page, expect
from sidebar_page import SOURCES, SidebarPage

from byzer_lab.records import OperationRecord

pytestmark = pytest.mark.browser

LOAD = "%load_ext byzer_lab"
DEPLOY = "%%llm_deploy chat --model_path bundled"
PROMPT = "%%prompt --model chat\nWhat can you do?"


def test_the_life_of_a_cluster(
    startable_gateway: FakeGateway, sidebar: SidebarPage, pictures: Path
):
    gateway = startable_gateway
    panel = sidebar.panel
    expect(panel).to_contain_text("No cluster")
    sidebar.picture(pictures, "none")
    panel.get_by_role("button", name="Start a cluster").last.click()
    expect(panel).to_contain_text("Cluster starting")
    sidebar.picture(pictures, "starting")
    expect(panel).to_contain_text("No model is deployed yet")
    sidebar.picture(pictures, "empty")

    gateway.put(deployment("chat", workers=[worker(1, in_flight=3)]))
    expect(sidebar.row("chat")).to_contain_text("3 in flight")
    gateway.stop()
    expect(panel).to_contain_text("Cluster lost")
    expect(sidebar.row("chat")).to_contain_text("3 in flight")
    expect(panel.get_by_role("alert")).to_contain_text("Last seen")
    sidebar.picture(pictures, "lost")
    gateway.start()
    expect(panel).to_contain_text("Cluster running")

    panel.get_by_role("button", name="Stop the cluster").click()
    expect(sidebar.dialog()).to_contain_text("chat: 3")
    sidebar.picture(pictures, "stop")
    sidebar.dialog().get_by_role("button", name="Stop").click()
    expect(panel).to_contain_text("Cluster stopping")
    expect(panel).to_contain_text("No cluster")
    expect(sidebar.row("chat")).to_have_count(0)


def test_a_failed_start_says_why(sidebar: SidebarPage, pictures: Path):
    sidebar.panel.get_by_role("button", name="Start a cluster").last.click()
    alert = sidebar.panel.get_by_role("alert")
    expect(alert).to_contain_text("port 6379 is taken")
    sidebar.picture(pictures, "start-failed")
    alert.get_by_role("button", name="Dismiss").click()
    expect(alert).to_have_count(0)


def test_a_row_follows_its_deployment_without_reload(gateway: FakeGateway, sidebar: SidebarPage):
    expect(sidebar.panel).to_contain_text("No model is deployed yet")
    began = time.monotonic()
    gateway.put(deployment("chat", workers=2))
    expect(sidebar.row("chat")).to_contain_text("2/2 workers", timeout=1000)
    gateway.update("chat", workers=[worker(1, in_flight=7, tokens_per_second=41.6), worker(2)])
    expect(sidebar.row("chat")).to_contain_text("7 in flight", timeout=1000)
    expect(sidebar.row("chat")).to_contain_text("42 tok/s")
    assert time.monotonic() - began < 2.0
    gateway.remove("chat")
    expect(sidebar.row("chat")).to_have_count(0, timeout=1000)


def test_loading_shows_its_phase_and_can_be_cancelled(gateway: FakeGateway, sidebar: SidebarPage):
    operation = gateway.operate(
        OperationRecord(id="op1", kind="deploy", deployment="chat", phase="loading weights")
    )
    gateway.put(
        deployment("chat", state="loading", operation="op1", workers=[worker(1, "loading")])
    )
    gateway.operate(msgspec.structs.replace(operation, progress=0.62))
    row = sidebar.row("chat")
    expect(row).to_contain_text("loading weights 62 %")
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "62")
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_have_count(0)
    assert gateway.requests == ["cancel op1"]


def test_a_failure_shows_the_engines_first_line(gateway: FakeGateway, sidebar: SidebarPage):
    error = {"code": "engine", "message": "No such folder: /models/none\nTraceback", "details": {}}
    gateway.put(deployment("chat", state="failed", error=error, workers=[]))
    gateway.say("chat", "loading /models/none")
    row = sidebar.row("chat")
    expect(row).to_contain_text("No such folder: /models/none")
    expect(row).not_to_contain_text("Traceback")
    row.get_by_role("button", name="Logs", exact=True).click()
    expect(sidebar.page.get_by_role("log")).to_contain_text("loading /models/none")


def test_undeploy_asks_and_offers_force(gateway: FakeGateway, sidebar: SidebarPage, pictures: Path):
    gateway.put(deployment("chat", workers=[worker(1, in_flight=2, queued=1)]))
    sidebar.act("chat", "Undeploy chat")
    expect(sidebar.dialog()).to_contain_text("3 requests are in flight")
    sidebar.picture(pictures, "undeploy")
    sidebar.page.keyboard.press("Enter")  # the default is the harmless one
    expect(sidebar.dialog()).to_have_count(0)
    assert gateway.requests == []

    sidebar.act("chat", "Undeploy chat")
    sidebar.dialog().get_by_role("checkbox").check()
    sidebar.dialog().get_by_role("button", name="Undeploy").click()
    expect(sidebar.panel).to_contain_text("No model is deployed yet")
    assert gateway.requests == ["undeploy chat force=true"]


def test_scale(gateway: FakeGateway, sidebar: SidebarPage):
    gateway.put(deployment("chat"))
    sidebar.act("chat", "Scale the workers of chat")
    sidebar.dialog().get_by_role("spinbutton").fill("3")
    sidebar.dialog().get_by_role("button", name="Scale").click()
    expect(sidebar.row("chat")).to_contain_text("3/3 workers")
    assert gateway.requests == ["scale chat to 3"]


def test_scale_refuses_nonsense(gateway: FakeGateway, sidebar: SidebarPage):
    gateway.put(deployment("chat"))
    sidebar.act("chat", "Scale the workers of chat")
    sidebar.dialog().get_by_role("spinbutton").fill("0")
    sidebar.dialog().get_by_role("button", name="Scale").click()
    expect(sidebar.page.get_by_text("whole number from 1 to 1000")).to_be_visible()
    assert gateway.requests == []


def test_cells_are_inserted_below_the_active_one(gateway: FakeGateway, sidebar: SidebarPage):
    expect(sidebar.panel).to_contain_text("No model is deployed yet")
    sidebar.new_notebook()
    sidebar.panel.get_by_role("button", name="Deploy your first model").click()
    sidebar.expect_cells(LOAD, DEPLOY)
    gateway.put(deployment("chat"))
    sidebar.act("chat", "Insert a cell that uses chat")
    sidebar.expect_cells(LOAD, DEPLOY, PROMPT)


def test_without_a_notebook_the_first_cell_opens_one(gateway: FakeGateway, sidebar: SidebarPage):
    sidebar.panel.get_by_role("button", name="Deploy your first model").click()
    sidebar.expect_cells(LOAD, DEPLOY)


def test_a_row_is_dragged_into_a_notebook(gateway: FakeGateway, sidebar: SidebarPage):
    gateway.put(deployment("chat"))
    sidebar.new_notebook()
    sidebar.toggle("chat").hover()
    mouse = sidebar.page.mouse
    mouse.down()
    notebook = sidebar.page.locator(".jp-Notebook").bounding_box()
    assert notebook is not None
    for share in (0.2, 0.4, 0.5):
        mouse.move(notebook["x"] + notebook["width"] * share, notebook["y"] + 24)
    mouse.up()
    sidebar.page.wait_for_function(f"({SOURCES})().includes({json.dumps(PROMPT)})")
    expect(sidebar.toggle("chat")).to_have_attribute("aria-expanded", "false")


def test_the_context_menu_acts_on_its_row(gateway: FakeGateway, sidebar: SidebarPage):
    gateway.put(deployment("first"))
    gateway.put(deployment("second"))
    sidebar.row("second").click(button="right")
    sidebar.page.get_by_role("menuitem", name="Undeploy…").click()
    expect(sidebar.dialog()).to_contain_text("Undeploy second?")
    sidebar.dialog().get_by_role("button", name="Cancel").click()


def test_details_and_logs(gateway: FakeGateway, sidebar: SidebarPage, pictures: Path):
    workers = [worker(1, in_flight=12, queued=3, tokens_per_second=311.5), worker(2, "loading")]
    gateway.put(deployment("chat", workers=workers, replaced=1, meta={"max_model_len": 1024}))
    gateway.say("chat", "weights loaded in 0.4 s")
    expect(sidebar.row("chat")).to_contain_text("1 replaced")
    sidebar.toggle("chat").click()
    row = sidebar.row("chat")
    expect(row.get_by_role("definition").filter(has_text="1024")).to_be_visible()
    expect(row.get_by_role("table").get_by_role("row").filter(has_text="312")).to_be_visible()
    sidebar.act("chat", "Logs of chat")
    log = sidebar.page.get_by_role("log")
    expect(log).to_contain_text("weights loaded in 0.4 s")
    gateway.say("chat", "answering request 1")
    expect(log).to_contain_text("answering request 1", timeout=1000)
    sidebar.picture(pictures, "details")


def test_the_keyboard_reaches_everything(gateway: FakeGateway, sidebar: SidebarPage):
    for name in ("first", "second", "third"):
        gateway.put(deployment(name))
    expect(sidebar.row("third")).to_be_visible()
    press = sidebar.page.keyboard.press
    sidebar.toggle("first").focus()
    press("ArrowDown")
    expect(sidebar.toggle("second")).to_be_focused()
    press("End")
    expect(sidebar.toggle("third")).to_be_focused()
    press("ArrowRight")
    expect(sidebar.toggle("third")).to_have_attribute("aria-expanded", "true")
    press("ArrowLeft")
    expect(sidebar.toggle("third")).to_have_attribute("aria-expanded", "false")
    press("Enter")
    expect(sidebar.toggle("third")).to_have_attribute("aria-expanded", "true")
    press("Home")
    press("Tab")
    insert = sidebar.row("first").get_by_role("button", name="Insert a cell that uses first")
    expect(insert).to_be_focused()
    press("Shift+Tab")
    press("Shift+Tab")
    expect(sidebar.panel.get_by_role("button", name="Stop the cluster")).to_be_focused()


def test_a_missing_server_extension_says_how_to_get_it(
    page: Page, lab: JupyterProcess, pictures: Path
):
    page.route("**/byzer-lab/info**", lambda route: route.fulfill(status=404))
    sidebar = SidebarPage(page)
    sidebar.open_lab(lab)
    expect(sidebar.panel).to_contain_text("jupyter server extension enable byzer_lab")
    sidebar.picture(pictures, "missing")


def test_a_jupyter_server_that_is_gone_greys_the_rows(gateway: FakeGateway, sidebar: SidebarPage):
    gateway.put(deployment("chat"))
    expect(sidebar.row("chat")).to_be_visible()
    sidebar.page.route("**/byzer-lab/**", lambda route: route.abort())
    sidebar.panel.get_by_role("button", name="Refresh").click()
    expect(sidebar.panel).to_contain_text("The Jupyter server does not answer")
    expect(sidebar.row("chat")).to_be_visible()
    sidebar.page.unroute("**/byzer-lab/**")
    sidebar.panel.get_by_role("button", name="Refresh").click()
    expect(sidebar.panel).to_contain_text("Cluster running")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_both_themes(gateway: FakeGateway, sidebar: SidebarPage, pictures: Path, theme: str):
    sidebar.use_theme(theme)
    operation = OperationRecord(
        id="op1", kind="deploy", deployment="embedder", phase="loading weights", progress=0.62
    )
    gateway.operate(operation)
    busy = worker(1, in_flight=7, queued=2, tokens_per_second=41.6)
    gateway.put(deployment("chat", workers=[busy, worker(2)], replaced=1))
    gateway.put(
        deployment("embedder", state="loading", operation="op1", workers=[worker(1, "loading")])
    )
    error = {"code": "engine", "message": "CUDA out of memory: 2.1 GiB wanted, 1.2 GiB free"}
    gateway.put(deployment("painter-xl-turbo-with-a-long-name", state="failed", error=error))
    gateway.put(deployment("old", state="draining", workers=[worker(1, "draining", in_flight=1)]))
    sidebar.new_notebook()
    sidebar.toggle("chat").click()
    sidebar.page.wait_for_timeout(1500)
    sidebar.picture(pictures, f"theme-{theme.split()[-1].lower()}")
