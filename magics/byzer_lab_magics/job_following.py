"""A job followed in a cell: its line, its bar and its curve, updated in place until it ends.

The job belongs to the cluster. An interrupt, or the end of the kernel, leaves it running.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import ByzerLabError, from_wire
from byzer_lab.jobs import ENDED, JobPoint, JobRecord
from byzer_lab_magics.failures import interrupted, with_log
from byzer_lab_magics.job_view import bundle, progress, words
from byzer_lab_magics.show import StateLine, in_notebook, show, update

if TYPE_CHECKING:
    from byzer_lab.client.gateway import GatewayClient

TICK_S = 0.5
UPDATE_INTERVAL_S = 0.5
LOG_TAIL = 10
_LINE_STATES = {"completed": "succeeded", "failed": "failed"}


class _Watcher:
    """Reads a job's changes and points on a thread, so that the cell's own thread stays free to be
    interrupted, whatever the network does."""

    def __init__(self, gateway: GatewayClient, changes: Iterable[JobRecord]) -> None:
        self._gateway = gateway
        self._changes = changes
        self._told: queue.Queue[JobRecord | Exception | None] = queue.Queue()
        self._attempt = 0
        self._given_up = threading.Event()
        self.points: list[JobPoint] = []
        threading.Thread(target=self._watch, name="byzer-lab job", daemon=True).start()

    def _watch(self) -> None:
        try:
            for record in self._changes:
                if self._given_up.is_set():
                    return
                self._read_points(record)
                self._told.put(record)
            self._told.put(None)
        except Exception as error:
            self._told.put(error)

    def _read_points(self, record: JobRecord) -> None:
        # Another attempt begins at an earlier step than the one before it ended at.
        anew = record.attempt != self._attempt or record.state in ENDED
        known = [] if anew else self.points
        newest = known[-1].step if known else -1
        if anew or record.point.step > newest:
            self._attempt = record.attempt
            self.points = [*known, *self._gateway.job_points(record.spec.name, after=newest)]

    def newest(self, timeout_s: float) -> tuple[JobRecord | None, bool]:
        """The newest change within that time, and whether it was the last one."""
        found: JobRecord | None = None
        with contextlib.suppress(queue.Empty):
            told = self._told.get(timeout=timeout_s)
            while True:
                if isinstance(told, Exception):
                    raise told
                if told is None:
                    return found, True
                found = told
                told = self._told.get_nowait()
        return found, False

    def give_up(self) -> None:
        """Read no further."""
        self._given_up.set()


class _Display:
    """The job's place in the cell, or its line in a terminal."""

    def __init__(self, shell: Any, name: str) -> None:
        self._line = None if in_notebook(shell) else StateLine(shell, name)
        self._display_id = f"byzer-lab-{time.monotonic_ns()}"
        self._visible = False

    def going(self, record: JobRecord, points: list[JobPoint]) -> None:
        """The job as it is now."""
        if self._line is not None:
            self._line.running(words(record), progress(record))
        else:
            self._put(record, points, "")

    def end(self, record: JobRecord, points: list[JobPoint], note: str) -> None:
        """The job as it is left here."""
        if self._line is None:
            self._put(record, points, note)
            return
        state = _LINE_STATES.get(record.state, "cancelled")
        self._line.end(state, f"{words(record)}\n{note}" if note else words(record))

    def _put(self, record: JobRecord, points: list[JobPoint], note: str) -> None:
        shown = bundle(record, points, note)
        kept = {"job": record.spec.name, "id": record.id, "state": record.state}
        if self._visible:
            update(shown, self._display_id, {"byzer_lab": kept})
        else:
            self._visible = True
            show(shown, {"byzer_lab": kept}, self._display_id)


def follow_job(
    shell: Any, gateway: GatewayClient, changes: Iterable[JobRecord], name: str
) -> JobRecord:
    """Show a job until it ends.

    Args:
        shell: IPython's shell.
        gateway: The control API.
        changes: How the job is now, and each change of it; the last one is its end.
        name: Its name.

    Returns:
        How it ended: completed, stopped or cancelled.

    Raises:
        ByzerLabError: It failed, or can no longer be followed.
        KeyboardInterrupt: The cell was interrupted. The job goes on.
    """
    watcher = _Watcher(gateway, changes)
    display = _Display(shell, name)
    last: JobRecord | None = None
    try:
        ended = False
        while not ended:
            began = time.monotonic()
            newest, ended = watcher.newest(TICK_S)
            last = newest or last
            if newest is not None and not ended:
                display.going(newest, watcher.points)
                time.sleep(max(0.0, UPDATE_INTERVAL_S - (time.monotonic() - began)))
    except KeyboardInterrupt:
        watcher.give_up()
        note = f"It goes on without this cell. {how_to_go_on(name)}"
        if last is not None:
            display.end(last, watcher.points, note)
        raise interrupted(f"The job {name!r} goes on without this cell.") from None
    if last is None:
        raise AssertionError("a job tells at least how it is")
    display.end(last, watcher.points, note_of(last))
    if last.error:
        raise _failure(gateway, last)
    return last


def following(
    shell: Any, gateway: Callable[[], GatewayClient]
) -> Callable[[Iterable[JobRecord]], None]:
    """Shows a job that a script waits for.

    Args:
        shell: IPython's shell.
        gateway: Gives the control API.
    """

    def watch(changes: Iterable[JobRecord]) -> None:
        told = iter(changes)
        first = next(told)

        def every() -> Iterable[JobRecord]:
            yield first
            yield from told

        follow_job(shell, gateway(), every(), first.spec.name)

    return watch


def how_to_go_on(name: str) -> str:
    """How a job is seen again and ended."""
    return f"%llm_jobs {name} --watch shows it again, %llm_jobs {name} --stop ends it."


def note_of(record: JobRecord) -> str:
    """What can be done with a job that has ended; empty where there is nothing to say."""
    name = record.spec.name
    made = record.artefacts.get("model") or record.artefacts.get("adapter")
    if record.state == "completed" and made:
        return f"%llm_jobs {name} --deploy NAME deploys it; it is in {made}"
    if record.state == "stopped":
        kept = f" What was trained is in {made}" if made else ""
        return f"%llm_jobs {name} --resume lets it go on.{kept}"
    if record.state in ("failed", "cancelled") and record.checkpoints:
        step = record.checkpoints[-1].step
        return f"%llm_jobs {name} --resume lets it go on from step {step}."
    return ""


def _failure(gateway: GatewayClient, record: JobRecord) -> ByzerLabError:
    error = from_wire(record.error or {})
    lines: list[str] = []
    with contextlib.suppress(ByzerLabError):  # a log that is gone hides no error
        log = gateway.job_log(record.spec.name, after=-LOG_TAIL, limit=LOG_TAIL)
        lines = [line.text for line in log]
    return with_log(error, lines)
