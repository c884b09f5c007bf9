"""How the calls of a script are going: one line for each function, updated in place."""

from __future__ import annotations

import contextvars
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from byzer_lab_magics.show import StateLine

if TYPE_CHECKING:
    from byzer_lab.sql.models.answering import Report, StageReport

TICK_S = 0.2


class SqlProgress:
    """Shows the stages of a script while it runs; a context manager.

    Nothing is shown of a script that calls no model.

    Args:
        shell: IPython's shell.
        report: The stages.
    """

    def __init__(self, shell: Any, report: Report) -> None:
        self._shell = shell
        self._report = report
        self._line: StateLine | None = None
        self._stop = threading.Event()
        # The kernel finds the cell that an output belongs to in the context.
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._watch,), name="byzer-lab sql progress", daemon=True
        )
        self._began: dict[int, float] = {}
        self._started = time.monotonic()

    def __enter__(self) -> SqlProgress:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join()

    def end(self, state: str, text: str) -> None:
        """The script ended."""
        if text and (self._report.stages or self._line is not None):
            line = self._line or StateLine(self._shell, "llm_sql")
            line.end(state, f"{text} · {time.monotonic() - self._started:.1f} s")

    def _watch(self) -> None:
        while not self._stop.wait(TICK_S):
            if self._report.stages:
                self._show(len(self._report.stages) - 1)

    def _show(self, place: int) -> None:
        stage = self._report.stages[place]
        began = self._began.setdefault(place, time.monotonic())
        self._line = self._line or StateLine(self._shell, "llm_sql")
        counts = stage.counts
        share = counts.done / counts.total if counts.total else 1.0
        self._line.running(stage_words(stage, time.monotonic() - began), share)


def stage_words(stage: StageReport, seconds: float) -> str:
    """``chat: 120/1,000 · 38 rows/s · 2,400 tokens · 20 cached · 1 failed``."""
    counts = stage.counts
    asked = counts.ok + counts.failed
    parts = [f"{stage.label}: {counts.done:,}/{counts.total:,}"]
    if asked and seconds > 0:
        parts.append(f"{asked / seconds:.0f} rows/s")
    if counts.tokens:
        parts.append(f"{counts.tokens:,} tokens")
    if counts.cached:
        parts.append(f"{counts.cached:,} cached")
    if counts.failed:
        parts.append(f"{counts.failed:,} failed")
    return " · ".join(parts)


def summary(report: Report) -> str:
    """What all calls of a script came to; empty where there were none."""
    if not report.stages:
        return ""
    total = report.total
    asked = total.ok + total.failed
    parts = [
        f"{total.total:,} question{'' if total.total == 1 else 's'}",
        f"{asked:,} asked",
        f"{total.ok:,} ok",
        f"{total.failed:,} failed",
        f"{total.cached:,} cached",
        f"{total.input_tokens:,} + {total.output_tokens:,} tokens",
    ]
    return " · ".join(parts)
