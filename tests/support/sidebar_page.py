"""What a person does with the sidebar, in one place for every browser test."""

from __future__ import annotations

import time
from pathlib import Path

from jupyter_process import JupyterProcess
from playwright.sync_api import Locator, Page

NEW_NOTEBOOK = """async () => {
  const {commands} = window.jupyterapp;
  const panel = await commands.execute('notebook:create-new', {kernelName: 'python3'});
  await panel.context.ready;
}"""

SOURCES = """() => [...window.jupyterapp.shell.widgets('main')]
  .filter(widget => widget.isVisible && widget.content.widgets)
  .flatMap(widget => widget.content.widgets.map(cell => cell.model.sharedModel.source))"""


OVERFLOWING = """() => {
  const panel = document.querySelector('#byzer-lab-sidebar');
  const right = panel.getBoundingClientRect().right + 0.5;
  return [...panel.querySelectorAll('*')]
    .filter(node => node.getBoundingClientRect().right > right)
    .filter(node => !node.closest('[class*=rowName], dt, dd, svg, pre'))
    .map(node => node.className || node.tagName);
}"""


class SidebarPage:
    """The sidebar in a browser window.

    Args:
        page: The window.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.panel = page.locator("#byzer-lab-sidebar")

    def open_lab(self, lab: JupyterProcess) -> None:
        """Open JupyterLab with the sidebar, without what an earlier test left there."""
        self._open(f"{lab.url}lab?reset&token={lab.token}")
        self.page.locator(".jp-Launcher").wait_for()  # it takes the focus when it comes

    def use_theme(self, theme: str) -> None:
        """Change the theme."""
        self.run("apputils:change-theme", {"theme": theme})
        self._await_splash()

    def open_notebook(self, app: JupyterProcess, path: str) -> None:
        """Open a notebook in Notebook 7 with the sidebar."""
        self._open(f"{app.url}notebooks/{path}?token={app.token}")

    def run(self, command: str, args: dict[str, object] | None = None) -> None:
        """Execute a command of the application."""
        self.page.evaluate(
            "([id, args]) => window.jupyterapp.commands.execute(id, args).then(() => null)",
            [command, args or {}],
        )

    def row(self, name: str) -> Locator:
        """The row of a deployment."""
        return self.panel.locator(f'.jp-ByzerLab-row[data-name="{name}"]')

    def toggle(self, name: str) -> Locator:
        """The button that opens and closes a row."""
        return self.row(name).locator(".jp-ByzerLab-rowToggle")

    def act(self, name: str, label: str) -> None:
        """Press one of a row's buttons, which show when the mouse is over it."""
        self.row(name).hover()
        self.row(name).get_by_role("button", name=label).click()

    def job(self, name: str) -> Locator:
        """The row of a job."""
        return self.panel.locator(f'.jp-ByzerLab-row[data-job="{name}"]')

    def act_on_job(self, name: str, label: str) -> None:
        """Press one of a job's buttons, which show when the mouse is over it."""
        self.job(name).hover()
        self.job(name).get_by_role("button", name=label).click()

    def resize(self, width_px: int) -> None:
        """Give the sidebar a width."""
        handle = self.page.locator("#jp-main-split-panel > .lm-SplitPanel-handle").first
        place, panel = handle.bounding_box(), self.panel.bounding_box()
        assert place is not None
        assert panel is not None
        mouse = self.page.mouse
        x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + width_px - panel["width"], y, steps=4)
        mouse.up()

    def overflowing(self) -> list[str]:
        """What is wider than the sidebar: classes of elements, the outermost first."""
        found: list[str] = self.page.evaluate(OVERFLOWING)
        return found

    def dialog(self) -> Locator:
        """The open dialog."""
        return self.page.locator(".jp-Dialog")

    def new_notebook(self) -> None:
        """Open an empty notebook."""
        self.page.evaluate(NEW_NOTEBOOK)

    def expect_cells(self, *sources: str) -> None:
        """Wait until the visible notebook has these cells."""
        deadline = time.monotonic() + 5.0
        while (found := self.page.evaluate(SOURCES)) != list(sources):
            assert time.monotonic() < deadline, found
            self.page.wait_for_timeout(50)

    def picture(self, folder: Path, name: str) -> None:
        """Take a screenshot."""
        self.page.screenshot(path=folder / f"{name}.png", animations="disabled")

    def _open(self, url: str) -> None:
        self.page.goto(url)
        self.page.wait_for_function("() => window.jupyterapp?.commands")
        self.page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        self._await_splash()
        self.run("byzer-lab:open")
        self.panel.wait_for()

    def _await_splash(self) -> None:
        # It covers the page while themes load, and two of them at a time break each other.
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")
