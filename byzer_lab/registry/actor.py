"""The registry: a detached Ray actor that turns what users ask for into running workers.

Every public method answers with JSON bytes, an error included, so that the gateway passes them on
as they are and no exception class has to survive Ray's pickling.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Literal

import msgspec

from byzer_lab.engines import BACKENDS
from byzer_lab.errors import (
    ByzerLabError,
    ClusterError,
    ConflictError,
    DeployCancelledError,
    ModelNotFoundError,
    NotFoundError,
    describe,
)
from byzer_lab.generation import check_generation
from byzer_lab.records import (
    BackendRecord,
    DeploymentRecord,
    DeploymentSpec,
    Endpoint,
    OperationRecord,
    Route,
    WorkerReport,
)
from byzer_lab.registry.answers import answers
from byzer_lab.registry.jobs.calls import JobCalls
from byzer_lab.registry.jobs.jobs import Jobs
from byzer_lab.registry.jobs.launcher import JobLauncher
from byzer_lab.registry.journal import Journal
from byzer_lab.registry.launcher import RayLauncher
from byzer_lab.registry.operations import finish
from byzer_lab.registry.requests import DeployBody, ScaleBody, check_engine, completed
from byzer_lab.registry.supervisor import Supervisor
from byzer_lab.secrets import conceal
from byzer_lab.types import Sampling
from byzer_lab.web import decode_body

REGISTRY = "registry"
"""Name of the actor."""


class Registry(JobCalls):
    """See the module's text. Made by ``byzer_lab.cluster.bootstrap``.

    Args:
        home: Folder of its database.
        token: Bearer token that workers ask for.
    """

    def __init__(self, home: str, token: str) -> None:
        self._journal = Journal(Path(home) / "registry.db")
        self._launcher = RayLauncher(token)
        self._jobs = Jobs(self._journal, JobLauncher())
        self._supervisors: dict[str, Supervisor] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        asyncio.get_running_loop().call_soon(self._restore)

    def _restore(self) -> None:
        """Take up the desired state: adopt what runs, start what doesn't, end what nobody wants."""
        records = list(self._journal.deployments.values())
        known = {worker.id for record in records for worker in record.workers}
        for orphan in self._launcher.running() - known:
            if process := self._launcher.adopt(orphan):
                process.kill()
        current = {record.operation for record in records}
        for operation in list(self._journal.operations.values()):
            if operation.finished_at is None and operation.id not in current:
                sentence = "The registry was restarted before this was done; ask for it again."
                self._end_operation(operation, ClusterError(sentence))
        for record in records:
            supervisor = Supervisor(record, self._journal, self._launcher)
            self._supervisors[record.spec.name] = supervisor
            undeploy = self._journal.operations.get(record.operation or "")
            try:
                supervisor.adopt()
            except Exception as error:  # one bad record must not cost the others
                supervisor.fail(f"it could not be restored: {describe(error)}")
            supervisor.follow_load()
            if record.state == "draining" and undeploy:
                self._spawn(self._undeploy(record.spec.name, False, undeploy), undeploy)
        self._jobs.restore()

    async def ping(self) -> None:
        """Return once the registry is up."""

    # -- asked by the gateway ---------------------------------------------------------------

    @answers
    async def deploy(self, body: bytes) -> OperationRecord:
        """Begin a deployment; see ``POST /api/deployments``."""
        request = decode_body(body, DeployBody)
        infer_params, written = conceal(request.spec.infer_params)
        secrets = {**request.secrets, **written}
        asked = msgspec.structs.replace(request.spec, infer_params=infer_params)
        spec, name = completed(asked), asked.name
        check_engine(spec, secrets)
        existing = self._journal.deployments.get(name)
        if existing and existing.state not in ("failed", "draining"):
            same = spec == msgspec.structs.replace(
                existing.spec, workers=spec.workers, generation=spec.generation
            )
            if same and self._journal.secrets(name) == secrets:
                return self._as_wanted(existing, spec)
            if not request.replace:
                raise ConflictError(
                    f"{name!r} is already deployed, with other settings; undeploy it first, or "
                    "deploy with replace."
                )
        most = spec.workers if spec.max_workers is None else spec.max_workers
        self._launcher.check_fit(msgspec.structs.replace(spec, workers=most))
        operation = self._new_operation("deploy", name)
        if existing:
            self._spawn(self._replace(spec, secrets, operation), operation)
        else:
            self._begin(spec, secrets, operation)
        return operation

    async def _replace(
        self, spec: DeploymentSpec, values: dict[str, str], operation: OperationRecord
    ) -> None:
        operation.phase = "removing the old one"
        self._journal.touch(operation, save=False)
        while spec.name in self._supervisors:  # two may be replacing it: the later one wins
            await self._remove(spec.name, force=True)
        if operation.finished_at is None:
            self._begin(spec, values, operation)

    def _begin(
        self, spec: DeploymentSpec, values: dict[str, str], operation: OperationRecord
    ) -> None:
        self._journal.save_secrets(spec.name, values)
        record = DeploymentRecord(spec=spec, created_at=time.time())
        self._journal.touch(record)
        supervisor = Supervisor(record, self._journal, self._launcher)
        self._supervisors[spec.name] = supervisor
        supervisor.begin(operation)
        supervisor.follow_load()

    def _as_wanted(self, record: DeploymentRecord, spec: DeploymentSpec) -> OperationRecord:
        """Deployed already: at most what can change while it runs has to change."""
        supervisor = self._supervisors[record.spec.name]
        if spec.generation not in (Sampling(), record.spec.generation):
            supervisor.set_generation(spec.generation)
        workers = record.spec.workers if spec.max_workers else spec.workers
        if record.operation and record.spec.workers == workers:
            return self._journal.operations[record.operation]
        if record.spec.workers != workers:
            return self._scale(supervisor, workers)
        operation = self._new_operation("deploy", record.spec.name)
        self._end_operation(operation, None)
        return operation

    @answers
    async def scale(self, name: str, body: bytes) -> OperationRecord:
        """Change the number of workers; see ``POST /api/deployments/NAME/scale``."""
        supervisor = self._find(name)
        return self._scale(supervisor, decode_body(body, ScaleBody).workers)

    def _scale(self, supervisor: Supervisor, workers: int) -> OperationRecord:
        record, name = supervisor.record, supervisor.record.spec.name
        current = self._journal.operations.get(record.operation or "")
        if (current and current.kind != "scale") or record.state in ("failed", "draining"):
            doing = "being deployed" if current and current.kind == "deploy" else record.state
            raise ConflictError(f"{name!r} can't be scaled now: it is {doing}.")
        if record.spec.max_workers is not None:
            raise ConflictError(
                f"{name!r} follows its load, from {record.spec.min_workers} to "
                f"{record.spec.max_workers} workers; deploy it without max_workers to scale it "
                "yourself."
            )
        wanted = msgspec.structs.replace(record.spec, workers=workers)
        wanted.check()
        self._launcher.check_fit(wanted)
        operation = self._new_operation("scale", name)
        supervisor.scale(workers, operation)
        return operation

    @answers
    async def set_generation(self, name: str, body: bytes) -> Sampling:
        """Change defaults; see ``POST /api/deployments/NAME/generation``."""
        supervisor = self._find(name)
        generation = decode_body(body, Sampling)
        check_generation(generation)
        supervisor.set_generation(generation)
        return generation

    @answers
    async def undeploy(self, name: str, force: bool) -> OperationRecord:
        """Take a deployment down; see ``DELETE /api/deployments/NAME``."""
        record = self._find(name).record
        current = self._journal.operations.get(record.operation or "")
        if current and current.kind == "undeploy":
            if force:
                self._spawn(self._remove(name, force=True), current)
            return current
        operation = self._new_operation("undeploy", name)
        self._spawn(self._undeploy(name, force, operation), operation)
        return operation

    async def _undeploy(self, name: str, force: bool, operation: OperationRecord) -> None:
        await self._remove(name, force=force, operation=operation)
        self._end_operation(operation, None)

    async def _remove(
        self, name: str, *, force: bool, operation: OperationRecord | None = None
    ) -> None:
        supervisor = self._supervisors[name]
        await supervisor.end(force=force, operation=operation)
        if self._supervisors.get(name) is supervisor:
            del self._supervisors[name]
            self._journal.remove(name)

    @answers
    async def cancel(self, operation_id: str) -> OperationRecord:
        """Give up a deploy; see ``POST /api/operations/ID/cancel``."""
        operation = self._operation(operation_id)
        if operation.finished_at is not None:
            return operation
        if operation.kind == "undeploy":
            raise ConflictError("A running undeploy can't be cancelled.")
        supervisor = self._supervisors.get(operation.deployment)
        if supervisor is None or supervisor.record.operation != operation.id:
            name = operation.deployment
            self._end_operation(operation, DeployCancelledError(f"{name!r} was not begun yet."))
        elif operation.kind == "scale":
            supervisor.cancel_scale()
        else:
            supervisor.cancel()
            await self._remove(operation.deployment, force=True)
        return operation

    @answers
    async def operation(self, operation_id: str, since: int, wait: float) -> OperationRecord:
        """One operation; see ``GET /api/operations/ID``."""
        operation = self._operation(operation_id)
        deadline = time.monotonic() + wait
        while operation.finished_at is None and operation.rev <= since:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            await self._journal.wait_for_change(self._journal.rev, left)
        return operation

    @answers
    async def state(self, since: int | None, epoch: str, wait: float) -> Any:
        """The cluster's state; see ``GET /api/state``."""
        if since is not None and epoch == self._journal.epoch:
            await self._journal.wait_for_change(since, wait)
        return self._journal.snapshot(self._launcher.cluster(), since, epoch)

    @answers
    async def route(self, name: str) -> Route:
        """Where a deployment's ready workers listen; see ``GET /api/deployments/NAME/route``."""
        record = self._find(name).record
        ready = sorted((w for w in record.workers if w.state == "ready"), key=lambda w: w.index)
        return Route(
            deployment=name,
            state=record.state,
            endpoints=[
                Endpoint(w.id, w.url, w.index, w.load.in_flight + w.load.queued) for w in ready
            ],
            workers=record.spec.workers,
            load_balance=record.spec.load_balance,
            generation=record.spec.generation,
        )

    @answers
    async def backends(self) -> list[BackendRecord]:
        """The backends; see ``GET /api/backends``."""
        return [
            BackendRecord(
                name=name,
                summary=backend.summary,
                installed=backend.installed,
                install=backend.install,
                concurrency=backend.concurrency,
            )
            for name, backend in BACKENDS.items()
        ]

    @answers
    async def log(self, name: str, after: int, limit: int, wait: float) -> dict[str, Any]:
        """A deployment's log; see ``GET /api/deployments/NAME/logs``."""
        self._find(name)
        lines = await self._journal.read_log(name, after, limit, wait)
        return {"lines": lines, "next": lines[-1].seq if lines else max(after, 0)}

    # -- told by workers --------------------------------------------------------------------

    async def worker_report(self, worker_id: str, report: WorkerReport) -> None:
        """A worker says how it is."""
        if supervisor := self._supervisor_of(worker_id):
            supervisor.report(worker_id, report)

    async def worker_log(self, worker_id: str, lines: list[tuple[float, str]]) -> None:
        """A worker hands over lines that it wrote: time and text of each."""
        if supervisor := self._supervisor_of(worker_id):
            self._journal.write_log(supervisor.record.spec.name, worker_id, lines)

    # -- helpers ----------------------------------------------------------------------------

    def _supervisor_of(self, worker_id: str) -> Supervisor | None:
        return self._supervisors.get(worker_id.rpartition("-")[0])

    def _find(self, name: str) -> Supervisor:
        if name not in self._supervisors:
            names = ", ".join(sorted(self._supervisors)) or "none"
            raise ModelNotFoundError(f"There is no deployment {name!r}; there is: {names}.")
        return self._supervisors[name]

    def _operation(self, operation_id: str) -> OperationRecord:
        if operation_id not in self._journal.operations:
            raise NotFoundError(f"There is no operation {operation_id!r}.")
        return self._journal.operations[operation_id]

    def _new_operation(
        self, kind: Literal["deploy", "scale", "undeploy"], name: str
    ) -> OperationRecord:
        operation = OperationRecord(
            id=secrets.token_hex(8), kind=kind, deployment=name, created_at=time.time()
        )
        self._journal.touch(operation)
        return operation

    def _end_operation(self, operation: OperationRecord, error: ByzerLabError | None) -> None:
        finish(operation, error)
        self._journal.touch(operation)

    def _spawn(self, work: Coroutine[None, None, None], operation: OperationRecord) -> None:
        """Work in the background; what goes wrong ends the operation it belongs to."""

        def done(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()):
                failed = ByzerLabError(f"The registry failed: {describe(error)}")
                self._end_operation(operation, failed)

        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)  # asyncio itself holds tasks only weakly
        task.add_done_callback(done)
