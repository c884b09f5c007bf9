"""One deployment's life: brings its workers up, replaces lost ones, scales, drains, ends.

The wanted number of workers stands in the record's spec. Everything here runs in the registry's
asyncio loop; :meth:`Supervisor.settle` compares what is wanted with what is there.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Coroutine
from typing import Any

from byzer_lab.errors import (
    ByzerLabError,
    DeployCancelledError,
    DeployFailedError,
    WorkerLostError,
    describe,
)
from byzer_lab.records import (
    DeploymentRecord,
    DeploymentState,
    OperationRecord,
    WorkerRecord,
    WorkerReport,
)
from byzer_lab.registry.autoscaler import Autoscaler
from byzer_lab.registry.journal import Journal
from byzer_lab.registry.launcher import RayLauncher, WorkerProcess
from byzer_lab.registry.operations import finish, show_progress
from byzer_lab.secrets import Redactor
from byzer_lab.types import Sampling

AUTOSCALE_INTERVAL_S = 0.5
WAITING_INTERVAL_S = 2.0
LONGEST_BACKOFF_S = 30.0
FAILED_STARTS_ALLOWED = 3
"""Replacements that may fail in a row, while no other worker is ready, until it is given up."""
SETTLED_AFTER_S = 30.0
"""A worker that was ready for so long did not fail at its start."""


class Supervisor:
    """Keeps one deployment as its record says.

    Args:
        record: The deployment.
        journal: Where changes are noted.
        launcher: Makes worker processes.
    """

    def __init__(self, record: DeploymentRecord, journal: Journal, launcher: RayLauncher) -> None:
        self.record = record
        self._journal = journal
        self._launcher = launcher
        self._secrets = journal.secrets(record.spec.name)
        self._redact = Redactor(self._secrets.values())
        self._processes: dict[str, WorkerProcess] = {}
        self._ready: dict[str, asyncio.Event] = {}
        self._ready_since: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._was_ready = bool(record.meta)  # told by the first worker that was ready
        self._failed_starts = 0
        self._ending = record.state == "draining"  # as a restarted registry finds it
        self._ended = asyncio.Event()

    # -- what the registry asks for ---------------------------------------------------------

    def adopt(self) -> None:
        """Take over the workers that still run after a restart of the registry."""
        for worker in list(self.record.workers):
            process = self._launcher.adopt(worker.id)
            if process:
                self._watch(worker, process)
                if worker.state == "draining":
                    process.drain()
            else:
                self.record.workers.remove(worker)
        self.settle()

    def begin(self, operation: OperationRecord) -> None:
        """Make ``operation`` the one whose progress the next changes are."""
        self.record.operation = operation.id
        self.settle()

    def set_generation(self, generation: Sampling) -> None:
        """Change the generation parameters of requests that leave them open."""
        self.record.spec.generation = generation
        self._refresh()

    def scale(self, workers: int, operation: OperationRecord) -> None:
        """Change the wanted number of workers; takes the place of a scale under way."""
        if self.record.operation:
            self._finish(DeployCancelledError(f"A later scale to {workers} took its place."))
        self.record.spec.workers = workers
        self._failed_starts = 0
        self.begin(operation)

    def follow_load(self) -> None:
        """Adjust the number of workers for ever, where the spec says how many it may be."""
        if self.record.spec.max_workers is not None:
            self._spawn(self._follow_load())

    async def _follow_load(self) -> None:
        autoscaler = Autoscaler()
        while not self._ending:
            await asyncio.sleep(AUTOSCALE_INTERVAL_S)
            spec = self.record.spec
            if self.record.state != "ready" or self.record.operation:
                continue
            wanted = autoscaler.wanted(spec, self.record.workers, time.monotonic())
            if wanted != spec.workers:
                spec.workers = wanted
                self._failed_starts = 0
                self.settle()

    def cancel_scale(self) -> None:
        """Stay with the workers that are ready."""
        self._stay_as_it_is(DeployCancelledError("The scale was cancelled."))

    def cancel(self) -> None:
        """Give up a deploy that is under way; nothing of it stays."""
        self._finish(
            DeployCancelledError(f"The deploy of {self.record.spec.name!r} was cancelled.")
        )
        self._kill_all()
        self._ending = True
        self._refresh()

    async def end(self, *, force: bool, operation: OperationRecord | None = None) -> None:
        """Take the deployment down; returns when nothing of it runs.

        Args:
            force: Break running requests off instead of letting them finish.
            operation: The undeploy that this is part of.
        """
        self._ending = True
        current = self._journal.operations.get(self.record.operation or "")
        if current and current.kind != "undeploy":
            name = self.record.spec.name
            self._finish(DeployCancelledError(f"{name!r} was undeployed or replaced meanwhile."))
        if operation:
            self.record.operation = operation.id
        for worker in self.record.workers:
            if force or worker.state not in ("ready", "draining"):
                self._processes[worker.id].kill()
            elif worker.state == "ready":
                self._drain(worker)
        self._refresh()
        await self._ended.wait()

    def report(self, worker_id: str, report: WorkerReport) -> None:
        """Note what a worker says of itself."""
        worker = next((w for w in self.record.workers if w.id == worker_id), None)
        if worker is None:
            return
        only_load = report.state == worker.state and report.phase == worker.phase
        if worker.state != "draining":
            worker.state = report.state
        worker.phase, worker.progress = report.phase, report.progress
        worker.url, worker.node, worker.pid = report.url, report.node, report.pid
        worker.load = report.load
        if report.meta:
            self.record.meta = report.meta
        if report.state == "ready":
            self._ready[worker_id].set()
            self._ready_since.setdefault(worker_id, time.monotonic())
        self._refresh(save=not only_load)

    # -- workers ----------------------------------------------------------------------------

    def settle(self) -> None:
        """Start the workers that are missing, drain those that are too many."""
        if self._ending or self.record.state == "failed":
            self._refresh()
            return
        staying = sorted(self._staying(), key=lambda w: w.index)
        for _ in range(self.record.spec.workers - len(staying)):
            if not self._start_worker():
                return
        for worker in staying[self.record.spec.workers :]:
            if worker.state == "ready":
                self._drain(worker)
            else:
                self._processes[worker.id].kill()
        self._refresh()

    def _staying(self) -> list[WorkerRecord]:
        return [w for w in self.record.workers if w.state != "draining"]

    def _start_worker(self) -> bool:
        """Ask for one more worker; false when that can't be, which fails the deployment."""
        spec = self.record.spec
        taken = {w.index for w in self._staying()}
        worker_id = f"{spec.name}-{secrets.token_hex(3)}"
        try:
            process = self._launcher.create(worker_id, spec, self._secrets)
            phase = self._launcher.waiting_phase(spec)
        except Exception as error:
            self.fail(f"Ray refuses its worker: {describe(error)}")
            return False
        worker = WorkerRecord(
            id=worker_id,
            index=next(index for index in itertools.count() if index not in taken),
            phase=phase,
            created_at=time.time(),
        )
        self.record.workers.append(worker)
        self._watch(worker, process)
        return True

    def _watch(self, worker: WorkerRecord, process: WorkerProcess) -> None:
        self._processes[worker.id] = process
        self._ready[worker.id] = asyncio.Event()
        self._spawn(self._live(worker, process))

    def _drain(self, worker: WorkerRecord) -> None:
        worker.state, worker.phase = "draining", "finishing its requests"
        self._processes[worker.id].drain()

    async def _live(self, worker: WorkerRecord, process: WorkerProcess) -> None:
        """One worker from its start to its end, whatever the end is."""
        failure: ByzerLabError = WorkerLostError("The worker ended by itself.")
        running = asyncio.ensure_future(process.run())
        try:
            await self._until_ready(worker, running)
            await running
        except ByzerLabError as error:
            failure = error
        finally:
            running.cancel()
            process.kill()
            del self._processes[worker.id], self._ready[worker.id]
            self.record.workers.remove(worker)
        ready_since = self._ready_since.pop(worker.id, None)
        if worker.state == "draining" or self._ending or self.record.state == "failed":
            self._refresh()
        elif ready_since is not None:
            self._replace(worker, failure, time.monotonic() - ready_since)
        else:
            self._failed_to_start(failure)

    async def _until_ready(self, worker: WorkerRecord, running: asyncio.Future[None]) -> None:
        """Wait until a worker is ready or has ended.

        Raises:
            DeployFailedError: It takes longer than the deployment allows.
        """
        limit = self.record.spec.load_timeout_s
        ready = asyncio.ensure_future(self._ready[worker.id].wait())
        either: set[asyncio.Future[Any]] = {running, ready}
        deadline = worker.created_at + limit
        ended: set[asyncio.Future[Any]] = set()
        while not ended and (left := deadline - time.time()) > 0:
            step = min(left, WAITING_INTERVAL_S)
            ended, _ = await asyncio.wait(either, timeout=step, return_when=asyncio.FIRST_COMPLETED)
            if worker.state == "queued":
                self._tell_what_it_waits_for(worker)
        ready.cancel()
        if not ended and worker.state not in ("ready", "draining"):
            raise DeployFailedError(
                f"not ready after {limit:g} s (it was at: {worker.phase or worker.state}); give it "
                "more time with load_timeout_s, or look at its log"
            )

    def _tell_what_it_waits_for(self, worker: WorkerRecord) -> None:
        """What the cluster has free changes while a worker waits for its place."""
        phase = self._launcher.waiting_phase(self.record.spec)
        if phase != worker.phase:
            worker.phase = phase
            self._refresh(save=False)

    def _replace(self, worker: WorkerRecord, failure: ByzerLabError, lived_s: float) -> None:
        self.record.replaced += 1
        sentence = f"Worker {worker.id} was lost and is being replaced: {failure.message}"
        self.record.error = WorkerLostError(self._redact(sentence), worker=worker.id).to_wire()
        self._failed_starts = 1 if lived_s > SETTLED_AFTER_S else self._failed_starts + 1
        if self._failed_starts == 1:
            self.settle()
        else:
            self._try_again_later()

    def _failed_to_start(self, failure: ByzerLabError) -> None:
        self._failed_starts += 1
        given_up = self._failed_starts >= FAILED_STARTS_ALLOWED
        others = any(w.state == "ready" for w in self.record.workers)
        operation = self._journal.operations.get(self.record.operation or "")
        deploying = operation is not None and operation.kind == "deploy"
        if deploying or not self._was_ready or (given_up and not others):
            self.fail(failure.message)
            return
        error = DeployFailedError(self._redact(failure.message))
        self.record.error = error.to_wire()
        if given_up and operation:
            self._stay_as_it_is(error)
        else:
            self._try_again_later()

    def _stay_as_it_is(self, reason: ByzerLabError) -> None:
        """Give a scale up: want as many workers as are ready."""
        ready = sum(worker.state == "ready" for worker in self.record.workers)
        self.record.spec.workers = max(1, ready)
        self._finish(reason)
        self.settle()

    def _try_again_later(self) -> None:
        self._refresh()
        self._spawn(self._settle_later(min(2.0**self._failed_starts, LONGEST_BACKOFF_S)))

    async def _settle_later(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self.settle()

    def fail(self, reason: str) -> None:
        """Give the deployment up: end its workers, keep its row with the reason."""
        sentence = self._redact(f"{self.record.spec.name!r} could not be deployed: {reason}")
        error = DeployFailedError(sentence if sentence.endswith((".", "?")) else sentence + ".")
        self.record.error = error.to_wire()
        self.record.state = "failed"
        self._finish(error)
        self._kill_all()
        self._refresh()

    def _kill_all(self) -> None:
        for worker in self.record.workers:
            worker.state = "draining"
            self._processes[worker.id].kill()

    # -- the record -------------------------------------------------------------------------

    def _refresh(self, *, save: bool = True) -> None:
        """Bring the record's state and its operation up to date with its workers."""
        record = self.record
        if self._ending and not record.workers:
            self._ended.set()
        if self._ending or record.state != "failed":
            record.state = self._state()
        ready = sum(w.state == "ready" for w in record.workers)
        settled = ready == record.spec.workers and ready == len(record.workers)
        if record.state == "ready":
            self._was_ready = True
        if settled:
            record.error = None
        operation = self._journal.operations.get(record.operation or "")
        if operation and operation.kind != "undeploy":
            if settled and not self._ending:
                self._finish(None)
            else:
                show_progress(operation, record, ready)
                self._journal.touch(operation, save=False)
        if self._journal.deployments.get(record.spec.name) is record:  # it may have a successor
            self._journal.touch(record, save=save)

    def _state(self) -> DeploymentState:
        if self._ending:
            return "draining"
        states = {w.state for w in self.record.workers}
        order: tuple[DeploymentState, ...] = ("ready", "loading", "starting")
        return next((state for state in order if state in states), "queued")

    def _finish(self, error: ByzerLabError | None) -> None:
        operation = self._journal.operations.get(self.record.operation or "")
        self.record.operation = None
        if operation is not None:
            finish(operation, error)
            self._journal.touch(operation)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # asyncio itself holds tasks only weakly
        task.add_done_callback(self._reap)
        return task

    def _reap(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self.fail(f"the registry failed: {describe(error)}")
