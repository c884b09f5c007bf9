"""Training jobs in the sidebar."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import pytest
from byzer_lab_magics.job_view import bundle
from fake_gateway import FakeGateway, deployment, job, worker
from jupyter_process import JupyterProcess
from playwright.sync_api import expect
from sidebar_page import SOURCES, SidebarPage

from byzer_lab.jobs import Checkpoint, JobPoint, JobRecord, JobSpec

pytestmark = pytest.mark.browser

NARROW_PX = 260
WATCH = "%llm_jobs lora --watch"


def point(step: int, **figures: float) -> JobPoint:
    """A point of a training that goes well."""
    loss = 0.6 + 2.4 * math.exp(-step / 40) + 0.1 * math.sin(step * step * 0.7)
    usual = {"learning_rate": 2e-4 * min(1, step / 20), "tokens_per_second": 1240.0}
    return JobPoint(**{"step": step, "loss": loss, **usual, **figures})


def train(gateway: FakeGateway, name: str, steps: int, **fields: Any) -> None:
    """Put a job that has trained so many steps, with its curve."""
    for step in range(1, steps + 1):
        evaluated = {"eval_loss": 0.7 + 2.5 * math.exp(-step / 40)} if step % 20 == 0 else {}
        gateway.put_job(job(name, point=point(step, **evaluated)))
    newest = gateway.jobs[name].point
    gateway.put_job(job(name, **{"step": steps, "point": newest, **fields}))


def test_a_job_from_its_queue_to_its_end(
    gateway: FakeGateway, sidebar: SidebarPage, pictures: Path
):
    gateway.put_job(job("lora", state="queued", phase="waiting for 2 GPUs, 1 is free"))
    row = sidebar.job("lora")
    expect(row).to_contain_text("waiting for 2 GPUs, 1 is free")
    gateway.update_job("lora", state="preparing", phase="checking the data", progress=0.4)
    expect(row).to_contain_text("checking the data")
    expect(row.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    train(gateway, "lora", 30, total_steps=120, eta_s=95.0)
    for text in ("Running", "step 30/120", "loss 1.", "1 min 35 s left"):
        expect(row).to_contain_text(text)
    expect(row.locator(".jp-ByzerLab-sparkline path")).to_be_visible()
    before = row.locator(".jp-ByzerLab-sparkline path").get_attribute("d")
    gateway.update_job("lora", step=31, point=point(31))
    expect(row).to_contain_text("step 31/120", timeout=1000)
    expect(row.locator(".jp-ByzerLab-sparkline path")).not_to_have_attribute("d", before or "")
    gateway.update_job(
        "lora",
        state="completed",
        artefacts={"adapter": "/jobs/lora/final"},
        started_at=1000.0,
        finished_at=1095.0,
    )
    expect(row).to_contain_text("Completed")
    expect(row).to_contain_text("took 1 min 35 s")


def test_it_is_stopped_resumed_and_deleted(gateway: FakeGateway, sidebar: SidebarPage):
    train(gateway, "lora", 3, total_steps=120)
    sidebar.act_on_job("lora", "Stop lora")
    expect(sidebar.dialog()).to_contain_text("It saves what it has trained and ends.")
    sidebar.page.keyboard.press("Enter")  # the default is the harmless one
    expect(sidebar.dialog()).to_have_count(0)
    assert gateway.requests == []
    sidebar.act_on_job("lora", "Stop lora")
    sidebar.dialog().get_by_role("button", name="Stop").click()
    expect(sidebar.job("lora")).to_contain_text("Stopping")
    gateway.update_job("lora", state="stopped")
    sidebar.act_on_job("lora", "Resume lora")
    expect(sidebar.job("lora")).to_contain_text("Queued")
    sidebar.act_on_job("lora", "Stop lora")
    sidebar.dialog().get_by_role("checkbox").check()
    sidebar.dialog().get_by_role("button", name="Stop").click()
    expect(sidebar.job("lora")).to_contain_text("Cancelled")
    sidebar.act_on_job("lora", "Delete lora")
    expect(sidebar.dialog()).to_contain_text("/jobs/lora")
    sidebar.dialog().get_by_role("checkbox").check()
    sidebar.dialog().get_by_role("button", name="Delete").click()
    expect(sidebar.panel).to_contain_text("No model is deployed yet")
    assert gateway.requests == [
        "stop lora",
        "resume lora",
        "cancel lora",
        "delete lora files=true",
    ]


def test_what_it_made_is_deployed(gateway: FakeGateway, sidebar: SidebarPage):
    train(gateway, "lora", 3, state="completed", artefacts={"adapter": "/jobs/lora/final"})
    sidebar.act_on_job("lora", "Deploy the model of lora")
    sidebar.dialog().get_by_role("textbox").fill("tuned")
    sidebar.dialog().get_by_role("button", name="Deploy").click()
    expect(sidebar.row("tuned")).to_be_visible()
    assert gateway.deployments["tuned"].spec.model_path == "/jobs/lora/final"


def test_its_log_and_its_context_menu(gateway: FakeGateway, sidebar: SidebarPage):
    train(gateway, "lora", 3)
    gateway.say("lora", "there are 33 data in dataset")
    sidebar.act_on_job("lora", "Log of lora")
    log = sidebar.page.get_by_role("log")
    expect(log).to_contain_text("there are 33 data in dataset")
    gateway.say("lora", "*** starting training ***")
    expect(log).to_contain_text("*** starting training ***", timeout=1000)
    sidebar.job("lora").click(button="right")
    menu = sidebar.page.get_by_role("menu")
    expect(menu.get_by_role("menuitem", name="Stop…")).to_be_visible()
    for absent in ("Undeploy…", "Resume", "Delete…", "Deploy the Model…"):
        expect(menu.get_by_role("menuitem", name=absent)).to_have_count(0)


def test_a_row_is_dragged_into_a_notebook(gateway: FakeGateway, sidebar: SidebarPage):
    train(gateway, "lora", 3)
    sidebar.new_notebook()
    sidebar.job("lora").locator(".jp-ByzerLab-rowToggle").hover()
    mouse = sidebar.page.mouse
    mouse.down()
    notebook = sidebar.page.locator(".jp-Notebook").bounding_box()
    assert notebook is not None
    for share in (0.2, 0.4, 0.5):
        mouse.move(notebook["x"] + notebook["width"] * share, notebook["y"] + 24)
    mouse.up()
    sidebar.page.wait_for_function(f"({SOURCES})().includes({json.dumps(WATCH)})")


def test_the_chart_is_read_by_keys(gateway: FakeGateway, sidebar: SidebarPage):
    train(gateway, "lora", 60, total_steps=120)
    toggle = sidebar.job("lora").locator(".jp-ByzerLab-rowToggle")
    toggle.focus()
    sidebar.page.keyboard.press("ArrowRight")
    chart = sidebar.job("lora").get_by_role("slider", name="Loss over the steps")
    expect(chart).to_have_attribute("aria-valuenow", "60")
    chart.focus()
    sidebar.page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuenow", "1")
    sidebar.job("lora").get_by_label("Figure", exact=True).select_option("learning_rate")
    chart = sidebar.job("lora").get_by_role("slider", name="Learning rate over the steps")
    expect(chart).to_have_attribute("aria-valuetext", "step 1: 1e-5")


def saved_notebook(record: JobRecord, points: list[JobPoint]) -> dict[str, Any]:
    """A notebook with a cell that showed a job, as it lies on a disk."""
    output = {
        "output_type": "display_data",
        "data": bundle(record, points, "%llm_jobs lora --deploy NAME deploys it"),
        "metadata": {},
    }
    cell = {
        "cell_type": "code",
        "id": "c1",
        "execution_count": 1,
        "metadata": {},
        "outputs": [output],
        "source": WATCH,
    }
    kernel = {"name": "python3", "display_name": "Python 3"}
    return {
        "cells": [cell],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_the_curve_of_a_saved_notebook_that_is_not_trusted(
    gateway: FakeGateway, sidebar: SidebarPage, lab: JupyterProcess, pictures: Path, theme: str
):
    points = [point(step) for step in range(1, 141)]
    points[99].eval_loss = points[139].eval_loss = 0.8
    record = job("lora", state="completed", step=140, total_steps=140, point=points[-1])
    (lab.root / "saved.ipynb").write_text(json.dumps(saved_notebook(record, points)))
    sidebar.use_theme(theme)
    sidebar.run("docmanager:open", {"path": "saved.ipynb", "factory": "Notebook"})
    shown = sidebar.page.locator(".jp-OutputArea-output img")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.decode().then(() => image.naturalWidth)") == 620
    output = sidebar.page.locator(".jp-OutputArea-output")
    expect(output).to_contain_text("lora: completed · step 140/140 · loss 0.")
    sidebar.picture(pictures, f"curve-{theme.split()[-1].lower()}")


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [NARROW_PX, 400])
def test_both_themes_and_widths(
    gateway: FakeGateway, sidebar: SidebarPage, pictures: Path, theme: str, width: int
):
    sidebar.use_theme(theme)
    gateway.put(deployment("chat", workers=[worker(1, in_flight=2, tokens_per_second=41.6)]))
    name = "support-answers-lora-with-a-name-that-is-long"
    full = JobSpec(name="old", kind="sft", model_path="/models/llama-2-7b", folder="/jobs/old")
    full_disk = {"code": "training", "message": "The disk is full: 4.1 GB wanted, 0.3 GB free."}
    train(gateway, "old", 40, spec=full, state="failed", error=full_disk)
    train(gateway, "capitals", 40, state="stopped", started_at=1.0, finished_at=820.0)
    gateway.put_job(job("waits", state="queued", phase="waiting for 8 GPUs; 2 of 4 are free"))
    train(
        gateway,
        name,
        140,
        spec=JobSpec(
            name=name,
            kind="sft",
            model_path="/models/byzer-lab-demo",
            data_path="/data/answers.jsonl",
            folder=f"/tmp/byzerllm/{name}-0b5cf2a4",
            parameters={"lora_rank": 8, "learning_rate": 2e-4, "packing": True},
        ),
        total_steps=3000,
        eta_s=840.0,
        epoch=1.75,
        tokens=1_240_000,
        memory_mb=2310.0,
        attempt=2,
        node="127.0.0.1",
        pid=4711,
        checkpoints=[Checkpoint(step=100, path="/c/100"), Checkpoint(step=120, path="/c/120")],
        artefacts={"tensorboard": f"/tmp/byzerllm/{name}-0b5cf2a4/logging"},
        warnings=["warmup_steps is 3000, longer than the run; 90 are taken."],
    )
    sidebar.new_notebook()
    sidebar.resize(width)
    row = sidebar.job(name)
    expect(row.locator(".jp-ByzerLab-sparkline path")).to_be_visible()
    assert sidebar.overflowing() == []
    theme_word = theme.split()[-1].lower()
    sidebar.picture(pictures, f"jobs-list-{theme_word}-{width}")
    row.locator(".jp-ByzerLab-rowToggle").click()
    expect(row.get_by_role("slider")).to_be_visible()
    sidebar.page.mouse.move(900, 400)
    expect(row.locator(".jp-ByzerLab-canvas path").first).to_be_visible()
    assert sidebar.overflowing() == []
    sidebar.page.wait_for_timeout(1500)  # repaint of the whole page
    sidebar.picture(pictures, f"jobs-{theme_word}-{width}")


def test_two_hundred_jobs_stay_quick(gateway: FakeGateway, sidebar: SidebarPage):
    for number in range(200):
        gateway.put_job(job(f"old-{number}", state="completed", created_at=float(number)))
    gateway.put_job(job("now", created_at=time.time()))
    expect(sidebar.job("now")).to_be_visible()
    expect(sidebar.panel.locator("[data-job]")).to_have_count(21)
    sidebar.panel.get_by_role("button", name="Show 180 more").click()
    expect(sidebar.panel.locator("[data-job]")).to_have_count(201)
