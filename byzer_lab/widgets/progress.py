"""How a deploy goes: its state, a bar, the workers' log, and a way to give it up."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

import ipywidgets as widgets

from byzer_lab.records import OperationState
from byzer_lab.widgets.snippets import snippet
from byzer_lab.widgets.style import escape, span

LOG_LINES = 200
_MARKS = {"running": "…", "succeeded": "✓", "failed": "✗", "cancelled": "■"}
_KINDS = {"running": "muted", "failed": "problem"}


class Progress(widgets.VBox):
    """Shows one deploy; a watcher of :class:`byzer_lab.widgets.deploying.Deploying`.

    Args:
        name: Name of the deployment.
        ended: Called when it ended.

    Attributes:
        state: ``running`` until it ended.
        cancel: The button that gives it up; whoever makes this says what it does.
    """

    def __init__(self, name: str, ended: Callable[[OperationState], None]) -> None:
        self.state: OperationState = "running"
        self._name = name
        self._ended = ended
        self._started = time.monotonic()
        self._phase = "sending"
        self._progress: float | None = None
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._line = widgets.HTML()
        self._bar = widgets.FloatProgress(
            max=1.0, layout=widgets.Layout(width="300px", visibility="hidden")
        )
        self.cancel = widgets.Button(
            description="Cancel", tooltip="Give this deploy up; nothing of it stays"
        )
        self._log = widgets.HTML()
        self._next = widgets.HTML()
        super().__init__(
            [widgets.HBox([self._line, self._bar, self.cancel]), self._log, self._next]
        )
        self.tick()

    @property
    def text(self) -> str:
        """The state in words, for whoever reads no HTML."""
        return f"{_MARKS[self.state]} {self._name}: {self._phase}"

    @property
    def shown(self) -> str:
        """Everything that it shows, as HTML."""
        return "".join(part.value for part in (self._line, self._log, self._next))

    def running(self, phase: str, progress: float | None = None) -> None:
        """See :class:`byzer_lab.widgets.deploying.Watcher`."""
        self._phase, self._progress = phase.strip() or self._phase, progress
        self._bar.layout.visibility = "hidden" if progress is None else "visible"
        self._bar.value = progress or 0.0
        self.tick()

    def tick(self) -> None:
        """The same, some time later."""
        seconds = time.monotonic() - self._started
        share = "" if self._progress is None else f" {self._progress:.0%}"
        mark = span(_KINDS.get(self.state, self.state), _MARKS[self.state])
        self._line.value = (
            f'<span role="status">{mark} <b>{escape(self._name)}</b>: {escape(self._phase)}{share} '
            f"{span('muted', f'{seconds:.0f} s')}</span>"
        )

    def log(self, lines: list[str]) -> None:
        """See :class:`byzer_lab.widgets.deploying.Watcher`."""
        self._lines.extend(lines)
        text = escape("\n".join(self._lines))
        self._log.value = f'<pre class="bl-log" role="log"><span>{text}</span></pre>'

    def ended(self, state: OperationState, sentence: str) -> None:
        """See :class:`byzer_lab.widgets.deploying.Watcher`."""
        self.state, self._progress = state, None
        self._phase = sentence or {"succeeded": "ready"}.get(state, state)
        self._bar.layout.display = self.cancel.layout.display = "none"
        self.tick()
        if state == "succeeded":
            prompt = f"%%prompt --model {self._name}\nWhat can you do?"
            self._next.value = snippet(prompt, "byzer-lab:insert-prompt-cell", name=self._name)
        self._ended(state)
