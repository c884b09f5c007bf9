"""Keeps the registry informed of one worker, at once when its state changes, else sparingly."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec
import psutil

from byzer_lab.records import Load, WorkerReport, WorkerState
from byzer_lab.workers.admission import Admission

if TYPE_CHECKING:
    from ray.actor import ActorHandle

PROGRESS_INTERVAL_S = 0.2
LOAD_INTERVAL_S = 0.5


class Reporter:
    """Sends reports. Call from the worker's asyncio loop.

    Args:
        worker_id: Id of the worker.
        registry: Handle of the registry.
        admission: Where requests are counted.
        node: IP address of the Ray node.
    """

    def __init__(
        self, worker_id: str, registry: ActorHandle, admission: Admission, node: str
    ) -> None:
        self._id = worker_id
        self._registry = registry
        self._admission = admission
        self._process = psutil.Process()
        self._report = WorkerReport(state="starting", node=node, pid=self._process.pid)
        self._tokens = 0
        self._measured_at = time.monotonic()
        self._progress_at = 0.0

    def count(self, tokens: int) -> None:
        """Count generated tokens."""
        self._tokens += tokens

    def set(self, state: WorkerState, phase: str = "", **changes: object) -> None:
        """Tell a new state, with whatever else changed in the report."""
        self._report = msgspec.structs.replace(
            self._report, state=state, phase=phase, progress=None, load=self.load(), **changes
        )
        self.send()

    def progress(self, phase: str, fraction: float | None) -> None:
        """Tell how loading goes."""
        now = time.monotonic()
        same_phase = phase == self._report.phase
        self._report.state, self._report.phase, self._report.progress = "loading", phase, fraction
        if not same_phase:
            print(phase)  # the worker's log tells what loading was at, and when
        if not same_phase or now - self._progress_at > PROGRESS_INTERVAL_S:
            self._progress_at = now
            self.send()

    def send(self) -> None:
        """Send the present report. One may be lost while the registry restarts: it calls the
        worker's ``run`` again when it is back, and that sends the report again."""
        self._registry.worker_report.remote(self._id, self._report)

    def load(self) -> Load:
        """What the worker is doing now."""
        progress = self._admission.progress
        return Load(
            in_flight=self._admission.in_flight,
            queued=self._admission.queued,
            tokens_per_second=self._report.load.tokens_per_second,
            requests=self._admission.finished,
            memory_mb=round(self._process.memory_info().rss / 2**20),
            phase=progress.phase if progress else "",
            progress=progress.done / max(progress.total, 1) if progress else None,
        )

    async def send_load_forever(self) -> None:
        """Send the load while it changes; an idle worker is silent."""
        while True:
            await asyncio.sleep(LOAD_INTERVAL_S)
            now = time.monotonic()
            rate = self._tokens / (now - self._measured_at)
            self._tokens, self._measured_at = 0, now
            load, before = self.load(), self._report.load
            load.tokens_per_second = round(rate, 1)
            # An idle worker's memory may creep; that alone is no news.
            if msgspec.structs.replace(load, memory_mb=before.memory_mb) != before:
                self._report = msgspec.structs.replace(self._report, load=load)
                self.send()
