"""Chromium on real JupyterLab and Notebook servers.

``jupyter_factory`` starts the servers (over whatever cluster its caller has on record), ``page``
opens a window that fails the test on any error in its console.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import fake_launch
import pytest
from fake_gateway import FakeGateway
from jupyter_process import JupyterProcess
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from sidebar_page import SidebarPage

from byzer_lab.cluster.runtime import remove_runtime, write_runtime

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]

NOT_OURS = (
    "Failed to load resource",  # the browser's own note on a refused request, which tests expect
    "reading 'schema'",  # Notebook 7.6 throws it on every page, without this extension as well
)

JupyterFactory = Callable[..., JupyterProcess]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The system's Chromium.

    Ends with its module: Playwright's event loop counts as running while it lives, and no
    asynchronous test could run after it.
    """
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def byzer_lab_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of the tests' own, which the servers over the fake gateway look into."""
    return tmp_path_factory.mktemp("byzer_lab_home")


@pytest.fixture
def in_byzer_lab_home(byzer_lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lets this test, too, read and write that home."""
    monkeypatch.setenv("BYZER_LAB_HOME", str(byzer_lab_home))
    monkeypatch.delenv("BYZER_LAB_URL", raising=False)
    return byzer_lab_home


@pytest.fixture(scope="session")
def jupyter_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterFactory]:
    """Starts Jupyter servers that end with the session: ``jupyter_factory("lab", home)``."""
    with contextlib.ExitStack() as servers:

        def start(app: str, home: Path, real_cluster: bool = False) -> JupyterProcess:
            folder = tmp_path_factory.mktemp(f"jupyter_{app}")
            process = JupyterProcess(app, folder, home, real_cluster=real_cluster)
            return servers.enter_context(process)

        yield start


@pytest.fixture(scope="session")
def lab(jupyter_factory: JupyterFactory, byzer_lab_home: Path) -> JupyterProcess:
    """JupyterLab over the fake gateway."""
    return jupyter_factory("lab", byzer_lab_home)


@pytest.fixture(scope="session")
def notebook_app(jupyter_factory: JupyterFactory, byzer_lab_home: Path) -> JupyterProcess:
    """Notebook 7 over the fake gateway."""
    return jupyter_factory("notebook", byzer_lab_home)


@pytest.fixture
def gateway(in_byzer_lab_home: Path) -> Iterator[FakeGateway]:
    """A running gateway, on record in the runtime file."""
    gateway = FakeGateway()
    gateway.start()
    write_runtime(gateway.runtime)
    yield gateway
    gateway.stop()
    remove_runtime()


@pytest.fixture
def startable_gateway(in_byzer_lab_home: Path) -> Iterator[FakeGateway]:
    """A gateway that is found only after "Start a cluster" was pressed."""
    gateway = FakeGateway()
    gateway.start()
    fake_launch.prepare_start(gateway.runtime)
    yield gateway
    gateway.stop()
    (in_byzer_lab_home / fake_launch.PREPARED).unlink()
    remove_runtime()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A window of its own. Errors in its console fail the test."""
    errors: list[str] = []

    def note(text: str) -> None:
        if not any(known in text for known in NOT_OURS):
            errors.append(text)

    def note_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            note(message.text)

    context = chromium.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.on("console", note_console)
    page.on("pageerror", lambda error: note(error.stack or str(error)))
    page.set_default_timeout(15_000)
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def sidebar(page: Page, lab: JupyterProcess) -> SidebarPage:
    """The sidebar, open in JupyterLab."""
    sidebar = SidebarPage(page)
    sidebar.open_lab(lab)
    return sidebar


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go; pytest keeps the folders of its last three runs."""
    return tmp_path_factory.mktemp("pictures")
