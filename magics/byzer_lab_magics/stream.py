"""An answer on its way into the page: Markdown by blocks in notebooks, else text as it comes."""

from __future__ import annotations

import sys
import time
from typing import Any, Protocol

from IPython.display import clear_output

from byzer_lab_magics.blocks import BlockSplitter
from byzer_lab_magics.harmless import harmless
from byzer_lab_magics.show import in_notebook, muted, show, update

UPDATE_INTERVAL_S = 0.05
RENDER_SHARE_S = 18e-6
"""Seconds to leave between updates for each character shown again, so that rendering takes at
most a fifth of the page's time (JupyterLab renders about 300 characters of Markdown a millisecond).
"""


class Writer(Protocol):
    """Shows an answer."""

    def write(self, text: str) -> None:
        """More of it has come."""

    def end(self, text: str, metadata: dict[str, Any], footer: str) -> None:
        """That was all.

        Args:
            text: The whole answer.
            metadata: What to keep beside it in the notebook.
            footer: The quiet line below.
        """


def writer_for(shell: Any, *, owns_cell: bool) -> Writer:
    """The writer for this front end.

    Args:
        shell: IPython's shell.
        owns_cell: The cell has no output but this answer.
    """
    if not in_notebook(shell):
        return TerminalWriter()
    return BlockWriter() if owns_cell else PlainWriter()


class TerminalWriter:
    """Text as it comes."""

    def __init__(self) -> None:
        self._last = "\n"

    def write(self, text: str) -> None:
        """Print it."""
        print(text, end="", flush=True)
        self._last = text[-1:] or self._last

    def end(self, text: str, metadata: dict[str, Any], footer: str) -> None:
        """Print the footer, dimmed where the terminal can."""
        if self._last != "\n":
            print()
        print(f"\x1b[2m{footer}\x1b[0m" if sys.stdout.isatty() else footer, flush=True)


class Paced:
    """Joins what comes faster than the page should be updated."""

    def __init__(self) -> None:
        self._next_update = 0.0
        self._displays = 0
        self._id = f"byzer-lab-{time.monotonic_ns()}"

    def _new_id(self) -> str:
        self._displays += 1
        return f"{self._id}-{self._displays}"

    def _due(self) -> bool:
        return time.monotonic() >= self._next_update

    def _updated(self, characters: int) -> None:
        pause = max(UPDATE_INTERVAL_S, RENDER_SHARE_S * characters)
        self._next_update = time.monotonic() + pause


class BlockWriter(Paced):
    """Finished blocks stay as they are, each an output of its own; only the tail is updated. At
    the end one output takes their place."""

    def __init__(self) -> None:
        super().__init__()
        self._splitter = BlockSplitter()
        self._tail_id = ""

    def write(self, text: str) -> None:
        """Show it, at once or with what comes next."""
        self._splitter.feed(text)
        if not self._due():
            return
        finished = self._splitter.finished()
        if finished:
            self._put(finished)
            self._tail_id = ""
        if self._splitter.tail.strip():
            self._put(self._splitter.tail)
        self._updated(len(self._splitter.tail))

    def _put(self, text: str) -> None:
        if self._tail_id:
            update(markdown(text), self._tail_id)
        else:
            self._tail_id = self._new_id()
            show(markdown(text), display_id=self._tail_id)

    def end(self, text: str, metadata: dict[str, Any], footer: str) -> None:
        """Replace the blocks by the whole answer."""
        clear_output(wait=True)  # with the next output, so nothing flickers
        if text.strip():
            show(markdown(text), {"byzer_lab": metadata})
        show(muted(footer))


class PlainWriter(Paced):
    """One output, updated as a whole: for a cell whose other outputs must stay."""

    def __init__(self) -> None:
        super().__init__()
        self._text = ""
        self._display_id = ""

    def write(self, text: str) -> None:
        """Show it, at once or with what comes next."""
        self._text += text
        if self._due() and self._text.strip():
            self._put(self._text, {})
            self._updated(len(self._text))

    def _put(self, text: str, metadata: dict[str, Any]) -> None:
        if self._display_id:
            update(markdown(text), self._display_id, metadata)
        else:
            self._display_id = self._new_id()
            show(markdown(text), metadata, self._display_id)

    def end(self, text: str, metadata: dict[str, Any], footer: str) -> None:
        """Show the whole answer."""
        if text.strip():
            self._put(text, {"byzer_lab": metadata})
        show(muted(footer))


def markdown(text: str) -> dict[str, str]:
    """The answer's bundle."""
    return {"text/markdown": harmless(text), "text/plain": text}
