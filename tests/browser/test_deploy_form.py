"""The deploy form on a page: real kernel, cluster, worker and model."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from jupyter_process import JupyterProcess
from playwright.sync_api import Browser, Locator, Page, expect
from sidebar_page import SOURCES, SidebarPage

from byzer_lab.cluster import processes
from byzer_lab.cluster.launch import stop_cluster
from byzer_lab.cluster.runtime import read_runtime

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

START_MS = 120_000
SECRET = "hf_thisMustNeverBeSavedAnywhere0123"


class FormPage:
    """A notebook with the form open."""

    def __init__(self, page: Page, lab: JupyterProcess) -> None:
        self.page = page
        self.lab = lab
        self.sidebar = SidebarPage(page)
        self.form = page.locator(".byzer-lab-form")

    def run(self, source: str) -> Locator:
        """Put a cell at the end of the notebook and run it."""
        self.page.evaluate(
            """source => {
                 const panel = window.jupyterapp.shell.currentWidget;
                 const model = panel.content.model.sharedModel;
                 model.addCell({cell_type: 'code', source});
                 panel.content.activeCellIndex = model.cells.length - 1;
                 void window.jupyterapp.commands.execute('notebook:run-cell');
               }""",
            source,
        )
        return self.page.locator(".jp-Notebook .jp-CodeCell").last

    def open(self) -> None:
        """Open a notebook and the form in it."""
        self.sidebar.open_lab(self.lab)
        self.sidebar.new_notebook()
        self.page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.ready.then(() => null)"
        )
        loaded = self.run("%load_ext byzer_lab")
        expect(loaded.locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=START_MS)
        self.run("%llm_deploy")
        expect(self.form).to_be_visible(timeout=30_000)

    def field(self, label: str) -> Locator:
        """The input of that label."""
        return self.form.get_by_label(label, exact=True).locator("visible=true")

    def row(self, label: str) -> Locator:
        """The input with what is said beside it."""
        return self.form.locator(".bl-row").filter(has=self.page.get_by_label(label, exact=True))

    @property
    def text(self) -> Locator:
        """The equivalent in the open tab."""
        return self.form.locator(".widget-tab pre:visible")

    def tool(self, name: str) -> Locator:
        """A visible button below a text."""
        return self.form.locator(".bl-tools button:visible").filter(has_text=name)

    def button(self, name: str) -> Locator:
        """A button of the form."""
        return self.form.get_by_role("button", name=name, exact=True)

    def saved(self) -> str:
        """The notebook as it is saved, with the widgets' state in it."""
        path = self.page.evaluate(
            """async () => {
                 const {context} = window.jupyterapp.shell.currentWidget;
                 await context.save();
                 return context.path;
               }"""
        )
        return (self.lab.root / path).read_text()


@pytest.fixture(scope="module")
def form_page(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory, lab_home: Path
) -> Iterator[FormPage]:
    """A page that stays open through the tests below, which tell one story."""
    home = Path(tempfile.mkdtemp(prefix="byzer-form-"))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("BYZER_LAB_HOME", str(home))
            try:
                folder = tmp_path_factory.mktemp("form")
                with JupyterProcess("lab", folder, home, real_cluster=True) as lab:
                    context = chromium.new_context(viewport={"width": 1280, "height": 1400})
                    page = context.new_page()
                    page.set_default_timeout(20_000)
                    form_page = FormPage(page, lab)
                    form_page.open()
                    yield form_page
                    context.close()
            finally:
                runtime = read_runtime()
                stop_cluster()
            if runtime is not None:  # a part of the story may have started none
                assert runtime.pid is not None
                assert processes.session_members(runtime.pid) == []
    finally:
        shutil.rmtree(home)


def test_it_opens_in_the_notebook(form_page: FormPage, pictures: Path) -> None:
    expect(form_page.form).to_contain_text("No cluster runs yet; Deploy starts one")
    expect(form_page.row("Model")).to_contain_text("Give a folder, a hub id")
    expect(form_page.button("Deploy")).to_be_disabled()
    form_page.sidebar.picture(pictures, "form-opened")


def test_what_is_filled_in_is_seen_and_checked(form_page: FormPage, pictures: Path) -> None:
    form_page.field("Name").fill("chat")
    form_page.field("Model").fill("bundled")
    expect(form_page.row("Model")).to_contain_text("llama · LlamaForCausalLM")
    expect(form_page.text).to_have_text("%%llm_deploy chat --model_path bundled")
    expect(form_page.button("Deploy")).to_be_enabled()
    form_page.field("Workers").fill("many")
    expect(form_page.row("Workers")).to_contain_text("it must be a whole number from 1 to 1000")
    expect(form_page.button("Deploy")).to_be_disabled()
    form_page.sidebar.picture(pictures, "form-wrong")
    form_page.field("Workers").fill("")
    expect(form_page.button("Deploy")).to_be_enabled()


def test_the_parameters_are_the_backends(form_page: FormPage) -> None:
    form_page.field("Backend").select_option("llama_cpp")
    expect(form_page.row("Model")).to_contain_text("GGUF · byzer-lab-demo.gguf")
    form_page.field("n_ctx").fill("512")
    expect(form_page.text).to_contain_text("n_ctx = 512")
    form_page.field("More parameters").fill("mlock")
    form_page.form.locator("select[size]:visible").select_option(index=0)
    form_page.field("use_mlock").select_option("true")
    expect(form_page.text).to_contain_text("use_mlock = true")
    form_page.row("use_mlock").get_by_role("button").click()
    expect(form_page.text).not_to_contain_text("use_mlock")
    form_page.field("Backend").select_option("transformers")
    form_page.field("max_model_len").fill("256")
    expect(form_page.text).to_have_text(
        "%%llm_deploy chat --model_path bundled\nmax_model_len = 256"
    )


def test_a_secret_leaves_the_page(form_page: FormPage) -> None:
    form_page.field("Family").fill(SECRET)
    expect(form_page.row("Family")).to_contain_text("A secret is never written here")
    expect(form_page.field("Family")).to_have_value("")
    assert SECRET not in form_page.page.content()


def test_the_cell_goes_into_the_notebook(form_page: FormPage) -> None:
    form_page.tool("Insert into the notebook").first.click()
    cell = "%%llm_deploy chat --model_path bundled\nmax_model_len = 256"
    form_page.page.wait_for_function(f"({SOURCES})().includes({json.dumps(cell)})")
    form_page.form.get_by_role("tab", name="Python").click()
    expect(form_page.text).to_contain_text("llm.deploy(")
    form_page.tool("Copy").first.click()
    expect(form_page.tool("Copied")).to_be_visible()


def test_deploy_shows_its_way_and_the_row_appears(form_page: FormPage, pictures: Path) -> None:
    form_page.button("Deploy").click()
    expect(form_page.form.get_by_role("status")).to_contain_text("chat")
    expect(form_page.button("Deploy")).to_be_disabled()
    expect(form_page.button("Cancel")).to_be_visible()
    expect(form_page.sidebar.row("chat")).to_be_visible(timeout=START_MS)
    form_page.sidebar.picture(pictures, "form-deploying")
    expect(form_page.form.get_by_role("status")).to_contain_text("ready", timeout=START_MS)
    expect(form_page.sidebar.row("chat")).to_contain_text("Ready", timeout=START_MS)
    expect(form_page.row("Name")).to_contain_text("'chat' is ready already")
    form_page.tool("Insert into the notebook").last.click()
    prompt = "%%prompt --model chat\nWhat can you do?"
    form_page.page.wait_for_function(f"({SOURCES})().includes({json.dumps(prompt)})")


def test_cancel_leaves_nothing(form_page: FormPage) -> None:
    form_page.field("Name").fill("second")
    form_page.button("Deploy").click()
    expect(form_page.sidebar.row("second")).to_be_visible(timeout=START_MS)
    form_page.button("Cancel").click()
    expect(form_page.form.get_by_role("status")).to_contain_text("cancelled", timeout=START_MS)
    expect(form_page.sidebar.row("second")).to_have_count(0, timeout=START_MS)


def test_the_saved_notebook_is_readable_and_holds_no_secret(form_page: FormPage) -> None:
    form_page.sidebar.run("@jupyter-widgets/jupyterlab-manager:saveWidgetState")
    saved = form_page.saved()
    assert "application/vnd.jupyter.widget-state+json" in saved
    assert "max_model_len" in saved
    assert "The deploy form of Byzer Lab. Run %llm_deploy again" in saved
    assert SECRET not in saved


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_both_themes(form_page: FormPage, pictures: Path, theme: str) -> None:
    form_page.sidebar.use_theme(theme)
    form_page.form.get_by_role("tab", name="Cell").click()
    form_page.page.wait_for_timeout(1_000)  # repaint of the whole page
    form_page.sidebar.picture(pictures, f"form-{theme.split()[-1].lower()}")
