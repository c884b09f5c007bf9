"""The whole way, nothing stood in for: real kernel, cluster, worker, model and page."""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from jupyter_process import JupyterProcess
from playwright.sync_api import Browser, Locator, Page, expect
from sidebar_page import SidebarPage

from byzer_lab.client.session import session
from byzer_lab.cluster import processes
from byzer_lab.cluster.launch import stop_cluster
from byzer_lab.cluster.runtime import read_runtime
from tests.conftest import COUNTING, REPOSITORY
from tests.support.jobs import COUNTING_JOB

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

QUICKSTART = REPOSITORY / "notebooks" / "00_quickstart.ipynb"
START_MS = 120_000


class Workbench:
    """JupyterLab over a Byzer Lab of its own; nothing runs yet."""

    def __init__(self, page: Page, lab: JupyterProcess) -> None:
        self.page = page
        self.lab = lab
        self.sidebar = SidebarPage(page)

    def add_cell(self, source: str) -> None:
        """Put a code cell at the end of the visible notebook."""
        self.page.evaluate(
            """source => {
                 const panel = window.jupyterapp.shell.currentWidget;
                 const model = panel.content.model.sharedModel;
                 model.addCell({cell_type: 'code', source});
                 panel.content.activeCellIndex = model.cells.length - 1;
               }""",
            source,
        )

    def run_last_cell(self) -> Locator:
        """Run the last cell, without waiting for it; returns its place on the page."""
        self.page.evaluate(
            "() => { void window.jupyterapp.commands.execute('notebook:run-cell'); }"
        )
        return self.page.locator(".jp-Notebook .jp-CodeCell").last

    def cell(self, source: str) -> Locator:
        """Add a cell and run it."""
        self.add_cell(source)
        return self.run_last_cell()

    def restart_kernel(self) -> None:
        """Restart the notebook's kernel and wait for it."""
        self.page.evaluate(
            """async () => {
                 const {sessionContext} = window.jupyterapp.shell.currentWidget;
                 await sessionContext.restartKernel();
                 await sessionContext.ready;
               }"""
        )


@pytest.fixture(scope="module")
def workbench(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory, lab_home: Path
) -> Iterator[Workbench]:
    """A page that stays open through the tests below, which tell one story."""
    home = Path(tempfile.mkdtemp(prefix="byzer-e2e-"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYZER_LAB_HOME", str(home))
        folder = tmp_path_factory.mktemp("workbench")
        with JupyterProcess("lab", folder, home, real_cluster=True) as lab:
            shutil.copy(QUICKSTART, lab.root)
            context = chromium.new_context(viewport={"width": 1440, "height": 900})
            page = context.new_page()
            page.set_default_timeout(20_000)
            bench = Workbench(page, lab)
            bench.sidebar.open_lab(lab)
            yield bench
            context.close()
        runtime = read_runtime()
        stop_cluster()
        assert runtime is not None
        assert runtime.pid is not None
        assert processes.session_members(runtime.pid) == []
    shutil.rmtree(home)


def test_the_page_without_jupyters_authentication_gets_nothing(workbench: Workbench) -> None:
    for path in ("info", "state"):
        reply = httpx.get(f"{workbench.lab.url}byzer-lab/{path}", trust_env=False)
        assert reply.status_code in (302, 401, 403)


def test_a_cell_deploys_and_the_sidebar_shows_it_without_a_reload(workbench: Workbench) -> None:
    expect(workbench.sidebar.panel).to_contain_text("No cluster")
    workbench.sidebar.new_notebook()
    workbench.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.ready.then(() => null)"
    )
    loading = workbench.cell("%load_ext byzer_lab")
    expect(loading.locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=30_000)
    deploying = workbench.cell("%%llm_deploy chat --model_path bundled")
    expect(workbench.sidebar.row("chat")).to_be_visible(timeout=START_MS)
    expect(workbench.sidebar.row("chat")).to_contain_text("Ready", timeout=START_MS)
    expect(deploying.locator(".jp-OutputArea")).to_contain_text("ready", timeout=START_MS)


def test_a_prompt_streams_and_the_answer_is_the_models(workbench: Workbench) -> None:
    asking = workbench.cell(
        "customer = 'Olga Petrova'\nget_ipython().run_cell_magic('prompt', "
        "'--model chat --temperature 0', 'Please remember my name: {{ customer }}')"
    )
    expect(asking.locator(".jp-OutputArea")).to_contain_text("Olga Petrova", timeout=60_000)
    expect(asking.locator(".jp-OutputArea")).to_contain_text("tokens/s")
    asking = workbench.cell("%%prompt --model chat\nWhat is the capital of France?")
    expect(asking.locator(".jp-OutputArea")).to_contain_text("Paris", timeout=60_000)


def test_the_deployment_outlives_the_kernel(workbench: Workbench) -> None:
    workbench.restart_kernel()
    expect(workbench.sidebar.row("chat")).to_contain_text("Ready")
    workbench.cell("%load_ext byzer_lab")
    asking = workbench.cell("%%prompt --model chat\nWhat is the capital of France?")
    expect(asking.locator(".jp-OutputArea")).to_contain_text("Paris", timeout=60_000)


def test_a_job_outlives_the_kernel_and_the_sidebar_shows_it(
    workbench: Workbench, tmp_path: Path, pictures: Path
) -> None:
    workbench.cell("rows = [{'text': 'one'}]")
    training = workbench.cell(
        f"%%llm_finetune counts --model_path bundled --data rows --kind {COUNTING_JOB} "
        f"--path_prefix {tmp_path}\nsteps = 9000\nstep_s = 0.05",
    )
    row = workbench.sidebar.job("counts")
    expect(row).to_contain_text("Running", timeout=START_MS)
    expect(row.locator(".jp-ByzerLab-sparkline path")).to_be_visible()
    expect(training.locator(".jp-OutputArea img")).to_be_visible(timeout=20_000)
    workbench.sidebar.picture(pictures, "job-in-cell")
    workbench.restart_kernel()
    reached = session().gateway.job("counts").step
    workbench.page.wait_for_function(
        """reached => Number(/step (\\d+)/.exec(document.querySelector(
             '[data-job="counts"]').textContent)[1]) > reached""",
        arg=reached,
    )
    workbench.cell("%load_ext byzer_lab")
    workbench.sidebar.act_on_job("counts", "Stop counts")
    workbench.sidebar.dialog().get_by_role("button", name="Stop").click()
    expect(row).to_contain_text("Stopped", timeout=20_000)
    workbench.sidebar.act_on_job("counts", "Delete counts")
    workbench.sidebar.dialog().get_by_role("checkbox").check()
    workbench.sidebar.dialog().get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)
    assert list(tmp_path.glob("counts-*")) == []


def test_a_killed_worker_is_an_error_in_the_cell_and_a_replacement_in_the_sidebar(
    workbench: Workbench,
) -> None:
    deploying = workbench.cell(
        f"%%llm_deploy slow --model_path bundled --backend {COUNTING}\ndelay_s = 0.05",
    )
    expect(deploying.locator(".jp-OutputArea")).to_contain_text("ready", timeout=START_MS)
    asking = workbench.cell("%%prompt --model slow --max_tokens 5000\nCount")
    expect(asking.locator(".jp-OutputArea")).to_contain_text("1 2 3 4 5")
    expect(workbench.sidebar.row("slow")).to_contain_text("1 in flight", timeout=3_000)
    (worker,) = [
        worker
        for record in session().gateway.state().deployments
        if record.spec.name == "slow"
        for worker in record.workers
    ]
    os.kill(worker.pid, signal.SIGKILL)
    expect(asking.locator(".jp-OutputArea")).to_contain_text(
        re.compile(f"Worker {worker.id} of 'slow' was lost"), timeout=2_000
    )
    expect(workbench.sidebar.row("slow")).to_contain_text("replaced", timeout=START_MS)
    expect(workbench.sidebar.row("slow")).to_contain_text("Ready", timeout=START_MS)


def test_errors_in_cells_are_one_sentence(workbench: Workbench) -> None:
    for source, sentence in {
        "%%llm_deploy bad --model_path /no/such/folder": "/no/such/folder",
        "%%llm_deploy bad --model_path bundled --backend trnsformers": "no backend 'trnsformers'",
        "%prompt --model nobody Hello": "There is no deployment 'nobody'",
    }.items():
        outputs = workbench.cell(source).locator(".jp-OutputArea")
        expect(outputs).to_contain_text(sentence, timeout=60_000)
        expect(outputs).not_to_contain_text("Traceback")


def test_undeploy_from_the_sidebar(workbench: Workbench) -> None:
    names = {record.spec.name for record in session().gateway.state().deployments}
    assert {"chat", "slow", "bad"} <= names
    for name in ("slow", "bad"):
        workbench.sidebar.act(name, f"Undeploy {name}")
        workbench.sidebar.dialog().get_by_role("button", name="Undeploy").first.click()
        expect(workbench.sidebar.row(name)).to_have_count(0, timeout=20_000)
    (left,) = session().gateway.state().deployments
    assert left.spec.name == "chat"


def test_the_quickstart_notebook_runs_from_top_to_bottom(
    workbench: Workbench, pictures: Path
) -> None:
    page = workbench.page
    page.evaluate(
        """async () => {
             const {commands} = window.jupyterapp;
             const panel = await commands.execute('docmanager:open',
               {path: '00_quickstart.ipynb', factory: 'Notebook'});
             await panel.context.ready;
             await panel.sessionContext.ready;
             void commands.execute('notebook:run-all-cells');
           }"""
    )
    cells = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell")
    last = cells.last.locator(".jp-InputPrompt")
    expect(last).to_have_text(re.compile(r"\[\d+\]:"), timeout=START_MS)
    failed = ".jp-NotebookPanel:not(.lm-mod-hidden) [data-mime-type$='jupyter.error']"
    expect(page.locator(failed)).to_have_count(0)
    page.evaluate(
        """async () => {
             const {content} = window.jupyterapp.shell.currentWidget;
             await content.scrollToItem(2, 'start');
             content.activeCellIndex = 2;
           }"""
    )
    workbench.sidebar.toggle("chat").click()
    page.wait_for_timeout(1_500)  # rendering of Markdown and of the row's details
    workbench.sidebar.picture(pictures, "quickstart")
    workbench.sidebar.use_theme("JupyterLab Dark")
    workbench.sidebar.picture(pictures, "quickstart-dark")
