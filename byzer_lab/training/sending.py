"""A job's end of the line to the registry.

One call is under way at a time, at most two in a second; what is told meanwhile is put together.
While the registry is away everything is kept and told when it is back.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import msgspec

from byzer_lab.jobs import JobReport
from byzer_lab.training.memory import gpu_mb, resident_mb

if TYPE_CHECKING:
    from ray.actor import ActorHandle

INTERVAL_S = 0.5
MEMORY_INTERVAL_S = 2.0
REFUSED_S = 60.0
"""What the registry can't take for so long is given up, so that the job can end."""
LINES_KEPT = 5_000
Lines = list[tuple[float, str]]


class Sender:
    """The job's :class:`~byzer_lab.training.channel.Channel`.

    Args:
        process_id: Under which the registry knows this process.
        attempt: How often the job was started.
        registry: Handle of the registry.
        node: IP address of the Ray node.
    """

    def __init__(self, process_id: str, attempt: int, registry: ActorHandle, node: str) -> None:
        self._id = process_id
        self._attempt = attempt
        self._registry = registry
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._report: JobReport | None = JobReport(
            state="preparing", phase="starting", node=node, pid=os.getpid()
        )
        self._lines: Lines = []
        self._closed = False
        self._memory_at = 0.0
        self._measures = True
        self._thread = threading.Thread(target=self._work, name="job-sender", daemon=True)
        self._thread.start()

    @property
    def stop_requested(self) -> bool:
        """See :class:`~byzer_lab.training.channel.Channel`, as for the next two."""
        return self._stop.is_set()

    @property
    def attempt(self) -> int:
        return self._attempt

    def report(self, report: JobReport) -> None:
        if report.memory_mb is not None:
            self._measures = False  # the job counts for all its processes
        with self._changed:
            self._report = merged(self._report, report)
            self._changed.notify_all()

    def stop(self) -> None:
        """The user wants the job to save what it has and end."""
        self._stop.set()

    def write(self, lines: Lines) -> None:
        """The job wrote something: time and text of each line."""
        with self._changed:
            self._lines = [*self._lines, *lines][-LINES_KEPT:]
            self._changed.notify_all()

    def close(self) -> None:
        """Tell what is left, and nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or self._report is not None or bool(self._lines),
                    MEMORY_INTERVAL_S,
                )
                report, self._report = self._report, None
                lines, self._lines = self._lines, []
                last = self._closed
            self._send(self._measured(report), lines)
            if last:
                return
            with self._changed:
                self._changed.wait_for(lambda: self._closed, INTERVAL_S)

    def _measured(self, report: JobReport | None) -> JobReport:
        now = time.monotonic()
        report = report or JobReport()
        if not self._measures or now - self._memory_at < MEMORY_INTERVAL_S:
            return report
        self._memory_at = now
        try:
            return merged(report, JobReport(memory_mb=resident_mb(), gpu_memory_mb=gpu_mb()))
        except Exception:  # the job goes on without these figures
            traceback.print_exc()
            self._measures = False
            return report

    def _send(self, report: JobReport, lines: Lines) -> None:
        import ray

        if report == JobReport() and not lines:
            return
        refused_at = 0.0
        while True:
            try:
                ray.get(self._registry.job_report.remote(self._id, report, lines))
                return
            except ray.exceptions.RayActorError:
                time.sleep(INTERVAL_S)  # it is being restarted
            except ray.exceptions.RayError:  # its disk may be full
                refused_at = refused_at or time.monotonic()
                if time.monotonic() - refused_at > REFUSED_S:
                    traceback.print_exc()
                    return
                time.sleep(INTERVAL_S)


def merged(older: JobReport | None, newer: JobReport) -> JobReport:
    """Two reports as one: the newer one's values, where it has some."""
    if older is None:
        return newer
    told: dict[str, Any] = {
        name: value
        for name in newer.__struct_fields__
        if (value := getattr(newer, name)) is not None
    }
    told["points"] = [*older.points, *newer.points]
    told["artefacts"] = {**older.artefacts, **newer.artefacts}
    told["warnings"] = [*older.warnings, *newer.warnings]
    if newer.phase not in (None, older.phase) and newer.progress is None:
        told["progress"] = None  # it was the older phase's
    return msgspec.structs.replace(older, **told)
