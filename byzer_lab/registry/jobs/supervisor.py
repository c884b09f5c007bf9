"""One job's life: waits for its place, starts its process, starts it again when it was lost, ends.

Everything here runs in the registry's asyncio loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import Coroutine
from typing import Any, Literal

from byzer_lab.errors import ByzerLabError, ConflictError, EngineError, WorkerLostError, describe
from byzer_lab.jobs import ENDED, JobEnd, JobRecord, JobReport
from byzer_lab.registry.jobs.launcher import JobLauncher, JobProcess, process_id
from byzer_lab.registry.jobs.progress import (
    add_warnings,
    apply_report,
    begin_again,
    newest_checkpoint,
)
from byzer_lab.registry.journal import Journal
from byzer_lab.registry.store import job_key
from byzer_lab.secrets import Redactor

WAITING_INTERVAL_S = 2.0
CANCEL_GRACE_S = 20.0
LONGEST_BACKOFF_S = 30.0
LOOK_AFTER_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
"""When it is looked for what a job of several processes has left reserved."""


class JobSupervisor:
    """Keeps one job going until it ends.

    Args:
        record: The job.
        journal: Where changes are noted.
        launcher: Makes its processes.
    """

    def __init__(self, record: JobRecord, journal: Journal, launcher: JobLauncher) -> None:
        self.record = record
        self._journal = journal
        self._launcher = launcher
        self._secrets = journal.secrets(job_key(record.id))
        self._redact = Redactor(self._secrets.values())
        self._process: JobProcess | None = None
        self._losses = 0
        self._furthest = record.step
        self._asked_to_end = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()
        if record.state in ENDED:
            self.ended.set()

    # -- what the registry asks for ---------------------------------------------------------

    def start(self) -> None:
        """Begin, with a process of its own."""
        self._live()

    def adopt(self) -> None:
        """Take over the process that still runs after a restart of the registry."""
        if self.record.state in ENDED:
            return
        process = self._launcher.adopt(self._process_id)
        if process is None and (self.record.started_at or self.record.ending):
            if not self._goes_on(WorkerLostError("Its process was gone when the registry began.")):
                return
        elif process is not None and self.record.ending:
            process.stop()
            if self.record.ending == "cancelled":
                self._spawn(self._kill_after(CANCEL_GRACE_S))
        self._live(process)

    def stop(self) -> None:
        """Let it save what it has and end; one that has not begun ends at once.

        Raises:
            ConflictError: It has ended.
        """
        self._refuse_where_ended("stop")
        self._ask_to_end("stopped")

    def cancel(self, grace_s: float = CANCEL_GRACE_S) -> None:
        """End it within a time.

        Raises:
            ConflictError: It has ended.
        """
        self._refuse_where_ended("cancel")
        self._ask_to_end("cancelled")
        self._spawn(self._kill_after(grace_s))

    def resume(self) -> None:
        """Let it go on from its newest checkpoint.

        Raises:
            ConflictError: It has not ended, or it is completed.
        """
        name, state = self.record.spec.name, self.record.state
        if state not in ENDED:
            raise ConflictError(f"The job {name!r} is {state}; there is nothing to resume.")
        if state == "completed":
            raise ConflictError(f"The job {name!r} is completed; there is nothing to resume.")
        begin_again(self.record)
        self.ended.clear()
        self._asked_to_end.clear()
        self._losses, self._furthest = 0, newest_checkpoint(self.record)
        self._journal.touch(self.record)
        self.start()

    # -- what its process tells -------------------------------------------------------------

    def report(self, attempt: int, report: JobReport, lines: list[tuple[float, str]]) -> bool:
        """Note what it says.

        Returns:
            Whether that attempt is wanted.
        """
        record = self.record
        if lines:
            self._journal.write_log(job_key(record.id), f"attempt {attempt}", lines)
        if attempt != record.attempt or record.state in ENDED:
            return False
        if report.points:
            self._journal.save_points(record, report.points)
        apply_report(record, report, self._redact)
        self._touch()
        return True

    # -- its life ---------------------------------------------------------------------------

    @property
    def _process_id(self) -> str:
        return process_id(self.record.id, self.record.attempt)

    def _live(self, process: JobProcess | None = None) -> None:
        self._spawn(self._attempts(process))

    async def _attempts(self, process: JobProcess | None) -> None:
        """One process after another, until the job has ended."""
        while True:
            process = process or await self._placed()
            if process is None:
                return
            self._process = process
            try:
                self._end(await self._outcome(process))
                return
            except WorkerLostError as loss:
                if not self._goes_on(loss):
                    return
            except ByzerLabError as error:
                self.fail(error)
                return
            finally:
                process.kill()
                self._process = process = None
                if self.record.spec.workers > 1:
                    self._spawn(self._free_leftovers())
            await self._wait_to_end(self._backoff_s)

    async def _placed(self) -> JobProcess | None:
        """Its next process, once there is room; ``None`` where the job ended before."""
        record = self.record
        while not self._asked_to_end.is_set():
            # Ray lets one process wait for its place. Several are begun by the job's own, which
            # would wait in silence, and hold what some of them have got.
            if record.spec.workers == 1 or self._launcher.has_room(record.spec):
                try:
                    return self._launcher.create(
                        self._process_id, record.spec, record.attempt, self._secrets
                    )
                except Exception as error:
                    self.fail(EngineError(f"Ray refuses its process: {describe(error)}"))
                    return None
            self._tell_what_it_waits_for()
            await self._wait_to_end(WAITING_INTERVAL_S)
        self._finish(record.ending or "stopped")
        return None

    async def _outcome(self, process: JobProcess) -> JobEnd:
        """How it ends; until its process is placed, tells what it waits for."""
        running = asyncio.ensure_future(process.run())
        try:
            ended: set[Any] = set()
            while not ended and not self._begun:
                self._tell_what_it_waits_for()
                ended, _ = await asyncio.wait({running}, timeout=WAITING_INTERVAL_S)
            return await running
        finally:
            running.cancel()

    async def _free_leftovers(self) -> None:
        """Ray takes a while to see that the processes are gone."""
        for seconds in LOOK_AFTER_S:
            await asyncio.sleep(seconds)
            try:
                self._launcher.free_leftovers()
            except Exception:  # it is looked for again; no job fails of it
                traceback.print_exc()

    def _tell_what_it_waits_for(self) -> None:
        spec = self.record.spec
        placed = self._process is not None and spec.workers > 1  # it reserves nothing itself
        if placed or self._launcher.has_room(spec):
            phase = "starting its process"
        else:
            phase = self._launcher.waiting_phase(spec)
        if not self._begun and not self.record.ending and phase != self.record.phase:
            self.record.phase = phase
            self._touch()

    def _goes_on(self, loss: ByzerLabError) -> bool:
        """After its process was lost: whether it is started again."""
        record = self.record
        if record.ending:
            if record.ending == "stopped" and record.started_at:
                step = newest_checkpoint(record)
                add_warnings(record, [f"{loss.message} What it has is its checkpoint {step}."])
            self._finish(record.ending)
            return False
        before, self._furthest = self._furthest, max(self._furthest, record.step)
        self._losses = 1 if self._furthest > before else self._losses + 1
        if self._losses >= record.spec.max_attempts:
            where = f", at step {record.step}"
            if self._losses > 1:
                where = f" {self._losses} times in a row without getting past step {self._furthest}"
            self.fail(EngineError(f"{loss.message[:-1]}{where}."))
            return False
        at, attempt = record.step, record.attempt
        begin_again(record)
        step = newest_checkpoint(record)
        place = f"from checkpoint {step}" if step else "from the beginning"
        sentence = f"{loss.message[:-1]} at step {at}; attempt {attempt + 1} goes on {place}."
        self._journal.write_log(job_key(record.id), f"attempt {attempt}", [(time.time(), sentence)])
        add_warnings(record, [sentence])
        self._touch()
        return True

    @property
    def _backoff_s(self) -> float:
        return 0.0 if self._losses <= 1 else min(2.0**self._losses, LONGEST_BACKOFF_S)

    # -- its end ----------------------------------------------------------------------------

    def _refuse_where_ended(self, verb: str) -> None:
        if self.record.state in ENDED:
            raise ConflictError(
                f"The job {self.record.spec.name!r} is {self.record.state}; there is nothing to "
                f"{verb}."
            )

    def _ask_to_end(self, ending: Literal["stopped", "cancelled"]) -> None:
        record = self.record
        record.ending = "cancelled" if record.ending == "cancelled" else ending
        record.state = "stopping"
        record.phase = "cancelling" if record.ending == "cancelled" else "saving what it has"
        self._touch()
        self._asked_to_end.set()
        if self._process is not None:
            if self._begun:
                self._process.stop()
            else:
                self._process.kill()  # it waits for its place: there is nothing to save

    @property
    def _begun(self) -> bool:
        """Whether this attempt's process has told of itself."""
        return self.record.pid != 0

    async def _kill_after(self, seconds: float) -> None:
        attempt = self.record.attempt
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), seconds)
        if self.record.attempt == attempt and self._process is not None:
            self._process.kill()

    async def _wait_to_end(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._asked_to_end.wait(), seconds)

    def _end(self, end: JobEnd) -> None:
        record = self.record
        record.result = self._redact.wire(end.result)
        record.artefacts = {**record.artefacts, **end.artefacts}
        done = end.state == "completed"
        self._finish("completed" if done else record.ending or end.state)

    def fail(self, error: ByzerLabError) -> None:
        """End it with an error."""
        if self.record.ending == "cancelled":
            self._finish("cancelled")
            return
        self.record.error = self._redact.error(error).to_wire()
        self._finish("failed")

    def _finish(self, state: Literal["completed", "stopped", "failed", "cancelled"]) -> None:
        record = self.record
        record.state, record.phase, record.eta_s = state, "", None
        record.progress = 1.0 if state == "completed" else None
        record.memory_mb = record.gpu_memory_mb = 0.0
        record.finished_at = time.time()
        self._touch()
        self.ended.set()

    def _touch(self) -> None:
        if self._journal.jobs.get(self.record.spec.name) is self.record:  # it may be deleted
            self._journal.touch(self.record)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # asyncio itself holds tasks only weakly
        task.add_done_callback(self._reap)

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.fail(EngineError(f"The registry failed: {describe(error)}"))
