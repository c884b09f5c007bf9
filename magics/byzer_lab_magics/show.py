"""Where output goes: bundles for notebooks, plain text for terminals; one line updated in place.

Whatever comes from a model, an engine or a user is escaped before it gets into our HTML.
"""

from __future__ import annotations

import contextlib
import contextvars
import html
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from IPython.display import display
from IPython.display import update_display as ipython_update_display

Bundle = dict[str, str]


def in_notebook(shell: Any) -> bool:
    """Whether outputs travel as bundles; else they are text in a terminal."""
    return getattr(shell, "kernel", None) is not None


def escape(text: object) -> str:
    """Text made safe inside HTML."""
    return html.escape(str(text), quote=True)


def muted(text: str) -> Bundle:
    """A quiet line."""
    style = (
        "color: var(--jp-ui-font-color2); font-family: var(--jp-ui-font-family); "
        "font-size: var(--jp-ui-font-size1)"
    )
    return {"text/html": f'<div style="{style}">{escape(text)}</div>', "text/plain": text}


def say(shell: Any, text: str) -> None:
    """Show a quiet line that is an answer of its own."""
    if in_notebook(shell):
        show(muted(text))
    else:
        print(text)


def show(bundle: Bundle, metadata: dict[str, Any] | None = None, display_id: str = "") -> None:
    """Add an output to the cell."""
    extra = {"display_id": display_id} if display_id else {}
    display(bundle, raw=True, metadata=metadata or {}, **extra)


def update(bundle: Bundle, display_id: str, metadata: dict[str, Any] | None = None) -> None:
    """Replace an output that :func:`show` added under this id."""
    ipython_update_display(bundle, raw=True, metadata=metadata or {}, display_id=display_id)


_MARKS = {
    "running": ("…", "var(--jp-ui-font-color2)"),
    "succeeded": ("✓", "var(--jp-success-color1)"),
    "failed": ("✗", "var(--jp-error-color1)"),
    "cancelled": ("■", "var(--jp-warn-color1)"),
}
BAR_CELLS = 20


def bar(progress: float) -> str:
    """A progress bar in text, such as ``███████░░░░░░░░░░░░░  35 %``."""
    share = min(1.0, max(0.0, progress))
    full = round(share * BAR_CELLS)
    return "█" * full + "░" * (BAR_CELLS - full) + f" {share:4.0%}".replace("%", " %")


class StateLine:
    """One line that tells how something is going, updated in place.

    Args:
        shell: IPython's shell.
        name: What it is about; stands in front.
    """

    def __init__(self, shell: Any, name: str) -> None:
        self._notebook = in_notebook(shell)
        self._name = name
        self._started = time.monotonic()
        self._display_id = f"byzer-lab-{time.monotonic_ns()}"
        self._shown = ""
        self._phase = "queued"
        self._progress: float | None = None
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Since the line was made."""
        return time.monotonic() - self._started

    @property
    def visible(self) -> bool:
        """Whether anything has been shown."""
        return bool(self._shown)

    def running(self, phase: str, progress: float | None = None) -> None:
        """It is at ``phase``; an empty one is the same as before."""
        self._phase, self._progress = phase.strip() or self._phase, progress
        self.tick()

    def tick(self) -> None:
        """The same, some time later."""
        done = f"  {bar(self._progress)}" if self._progress is not None else ""
        self._put("running", f"{self._phase}{done}  {self.seconds:.0f} s")

    @contextlib.contextmanager
    def ticking(self) -> Iterator[None]:
        """Count the seconds on a thread while the cell's own thread is busy."""
        stop = threading.Event()

        def count() -> None:
            while not stop.wait(1.0):
                self.tick()

        # The kernel finds the cell that an output belongs to in the context.
        counting = threading.Thread(target=contextvars.copy_context().run, args=(count,))
        counting.start()
        try:
            yield
        finally:
            stop.set()
            counting.join()

    def end(self, state: str, text: str) -> None:
        """It ended."""
        self._put(state, text)
        if not self._notebook and sys.stdout.isatty():
            print()

    def _put(self, state: str, text: str) -> None:
        mark, colour = _MARKS[state]
        plain = f"{mark} {self._name}: {text}"
        with self._lock:
            if plain == self._shown:
                return
            first, self._shown = not self._shown, plain
            if not self._notebook:
                self._print(plain, state)
                return
            style = "font-family: var(--jp-ui-font-family); font-size: var(--jp-ui-font-size1)"
            bundle = {
                "text/html": f'<div style="{style}; color: var(--jp-ui-font-color1)">'
                f'<span style="color: {colour}">{mark}</span> <b>{escape(self._name)}</b>: '
                f'<span style="white-space: pre-wrap">{escape(text)}</span></div>',
                "text/plain": plain,
            }
            if first:
                show(bundle, display_id=self._display_id)
            else:
                update(bundle, self._display_id)

    def _print(self, plain: str, state: str) -> None:
        if sys.stdout.isatty():
            print(f"\r\x1b[K{plain}", end="", flush=True)
        elif state != "running":  # a file or a pipe can't be updated in place
            print(plain, flush=True)
