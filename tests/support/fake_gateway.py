"""A gateway without a cluster: speaks docs/http-api.md on a real loopback socket, does as told."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import InvalidRequestError, ModelNotFoundError, NotFoundError
from byzer_lab.jobs import JobPoint, JobRecord, JobSpec
from byzer_lab.records import (
    BackendRecord,
    ClusterRecord,
    DeploymentRecord,
    DeploymentSpec,
    Load,
    LogLine,
    OperationRecord,
    Resources,
    StateSnapshot,
    WorkerRecord,
)
from byzer_lab.web import bind, json_response, make_app, make_server, url_of

TOKEN = "the-cluster-token-that-no-browser-sees"
TICK_S = 0.01


def worker(number: int, state: str = "ready", **load: float) -> WorkerRecord:
    """A worker that can be told from others by its number."""
    return WorkerRecord(
        id=f"w{number}",
        state=state,
        node="127.0.0.1",
        pid=4000 + number,
        load=Load(**{"memory_mb": 512.0, **load}),
    )


def deployment(name: str, workers: int | list[WorkerRecord] = 1, **fields: Any) -> DeploymentRecord:
    """A deployment that is ready, unless ``fields`` say otherwise."""
    if isinstance(workers, int):
        workers = [worker(number) for number in range(1, workers + 1)]
    spec = DeploymentSpec(name=name, model_path="bundled", workers=max(1, len(workers)))
    usual = {
        "state": "ready",
        "meta": {"model_type": "llama", "max_model_len": 1024, "quantization": None},
        "created_at": time.time(),
    }
    return DeploymentRecord(spec=spec, workers=workers, **{**usual, **fields})


def job(name: str, **fields: Any) -> JobRecord:
    """A job that trains, unless ``fields`` say otherwise."""
    spec = JobSpec(name=name, kind="sft", model_path="bundled", folder=f"/jobs/{name}")
    usual = {"id": f"id-{name}", "state": "running", "created_at": time.time()}
    return JobRecord(**{"spec": spec, **usual, **fields})


class FakeGateway:
    """Holds a state that a test changes, and tells it as the real gateway does."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.refusal = ""
        self.deployments: dict[str, DeploymentRecord] = {}
        self.operations: dict[str, OperationRecord] = {}
        self.logs: dict[str, list[LogLine]] = {}
        self.jobs: dict[str, JobRecord] = {}
        self.points: dict[str, list[JobPoint]] = {}
        self._removed: dict[str, int] = {}
        self._removed_jobs: dict[str, int] = {}
        self._epoch = uuid.uuid4().hex
        self._rev = 1
        self._port = 0
        self._server: Any = None
        self._thread: threading.Thread | None = None

    @property
    def runtime(self) -> Runtime:
        """What the runtime file of this gateway says."""
        return Runtime(url=f"http://127.0.0.1:{self._port}", token=TOKEN, pid=1)

    def start(self) -> None:
        """Listen; again on the same port after :meth:`stop`."""
        listener = bind("127.0.0.1", self._port)
        self._port = int(url_of(listener).rpartition(":")[2])
        self._server = make_server(make_app(self._routes(), TOKEN, frozenset({"/health"})))
        serve = self._server.serve(sockets=[listener])
        self._thread = threading.Thread(target=asyncio.run, args=(serve,), daemon=True)
        self._thread.start()
        while not self._server.started:
            time.sleep(TICK_S)

    def stop(self) -> None:
        """Drop every connection and listen no more, as a killed process does."""
        if self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join()
            self._thread = None

    def begin_epoch(self, epoch: str) -> None:
        """What a restart of the registry looks like."""
        self._epoch, self._rev = epoch, 1
        self._removed.clear()
        self._removed_jobs.clear()

    def put(self, record: DeploymentRecord) -> DeploymentRecord:
        """Add or change a deployment."""
        record.rev = self._next_rev()
        self.deployments[record.spec.name] = record
        return record

    def update(self, name: str, **fields: Any) -> None:
        """Change fields of a deployment."""
        self.put(msgspec.structs.replace(self.deployments[name], **fields))

    def remove(self, name: str) -> None:
        """End a deployment."""
        del self.deployments[name]
        self._removed[name] = self._next_rev()

    def put_job(self, record: JobRecord) -> JobRecord:
        """Add or change a job; its newest point becomes one of its curve."""
        record.rev = self._next_rev()
        self.jobs[record.spec.name] = record
        points = self.points.setdefault(record.spec.name, [])
        if record.point.step > (points[-1].step if points else 0):
            points.append(record.point)
        return record

    def update_job(self, name: str, **fields: Any) -> None:
        """Change fields of a job."""
        self.put_job(msgspec.structs.replace(self.jobs[name], **fields))

    def remove_job(self, name: str) -> None:
        """Forget a job."""
        del self.jobs[name]
        self.points.pop(name, None)
        self._removed_jobs[name] = self._next_rev()

    def operate(self, operation: OperationRecord) -> OperationRecord:
        """Add or change an operation."""
        operation.rev = self._next_rev()
        self.operations[operation.id] = operation
        return operation

    def advance(self, operation: OperationRecord, **fields: Any) -> None:
        """Let an operation go on; with a ``state`` it ends."""
        if "state" in fields:
            fields["finished_at"] = time.time()
        self.operate(msgspec.structs.replace(self.operations[operation.id], **fields))

    def say(self, name: str, text: str) -> None:
        """Let a worker of the deployment write a line."""
        lines = self.logs.setdefault(name, [])
        lines.append(LogLine(seq=len(lines) + 1, time=time.time(), worker="w1", text=text))

    def clear(self) -> None:
        """Forget every deployment and what was asked."""
        for name in list(self.deployments):
            self.remove(name)
        for name in list(self.jobs):
            self.remove_job(name)
        self.operations.clear()
        self.logs.clear()
        self.requests.clear()

    def _next_rev(self) -> int:
        self._rev += 1
        return self._rev

    def _routes(self) -> list[Route]:
        name = "/api/deployments/{name}"
        return [
            Route("/health", self._health),
            Route("/api/state", self._state),
            Route("/api/backends", self._backends),
            Route("/api/deployments", self._deploy, methods=["POST"]),
            Route("/api/operations/{id}", self._operation),
            Route(name, self._undeploy, methods=["DELETE"]),
            Route(f"{name}/scale", self._scale, methods=["POST"]),
            Route(f"{name}/logs", self._log),
            Route("/api/operations/{id}/cancel", self._cancel, methods=["POST"]),
            Route("/api/jobs/{job}", self._delete_job, methods=["DELETE"]),
            Route("/api/jobs/{job}/points", self._points),
            Route("/api/jobs/{job}/log", self._log),
            Route("/api/jobs/{job}/{action}", self._act_on_job, methods=["POST"]),
        ]

    async def _health(self, _: Request) -> Response:
        return json_response({"service": "byzer-lab"})

    async def _state(self, request: Request) -> Response:
        query = request.query_params
        full = "since" not in query or query.get("epoch") != self._epoch
        since = -1 if full else int(query["since"])
        await self._hold(request, lambda: self._rev > since or query["epoch"] != self._epoch)
        full = full or query["epoch"] != self._epoch
        known = -1 if full else since
        return json_response(
            StateSnapshot(
                epoch=self._epoch,
                rev=self._rev,
                full=full,
                cluster=ClusterRecord(address="127.0.0.1:6379", cpus=Resources(8, 2)),
                deployments=[item for item in self.deployments.values() if item.rev > known],
                removed=[] if full else [n for n, at in self._removed.items() if at > known],
                operations=[item for item in self.operations.values() if item.rev > known],
                jobs=[item for item in self.jobs.values() if item.rev > known],
                removed_jobs=[]
                if full
                else [n for n, at in self._removed_jobs.items() if at > known],
            )
        )

    async def _backends(self, _: Request) -> Response:
        return json_response(
            [
                BackendRecord(name=name, summary="", installed=True, install="", concurrency=16)
                for name in ("llama_cpp", "transformers")
            ]
        )

    async def _deploy(self, request: Request) -> Response:
        body = msgspec.json.decode(await request.body())
        if self.refusal:
            raise InvalidRequestError(self.refusal)
        spec = msgspec.convert(body["spec"], DeploymentSpec)
        self.requests.append(f"deploy {spec.name}")
        self.put(DeploymentRecord(spec=spec, state="loading", workers=[worker(1, "loading")]))
        return self._accept("deploy", spec.name, finished_at=None)

    async def _operation(self, request: Request) -> Response:
        name = request.path_params["id"]
        since = int(request.query_params.get("since", -1))
        await self._hold(request, lambda: self.operations[name].rev > since)
        return json_response(self.operations[name])

    async def _undeploy(self, request: Request) -> Response:
        name = self._named(request)
        self.requests.append(f"undeploy {name} force={request.query_params.get('force')}")
        self.remove(name)
        return self._accept("undeploy", name, state="succeeded")

    async def _scale(self, request: Request) -> Response:
        name = self._named(request)
        wanted = msgspec.json.decode(await request.body())["workers"]
        self.requests.append(f"scale {name} to {wanted}")
        spec = msgspec.structs.replace(self.deployments[name].spec, workers=wanted)
        workers = [worker(number) for number in range(1, wanted + 1)]
        self.update(name, spec=spec, workers=workers)
        return self._accept("scale", name, state="succeeded")

    async def _cancel(self, request: Request) -> Response:
        operation = self.operations.get(request.path_params["id"])
        if operation is None:
            raise NotFoundError("No such operation.")
        self.requests.append(f"cancel {operation.id}")
        self.operate(msgspec.structs.replace(operation, state="cancelled", finished_at=time.time()))
        if operation.deployment in self.deployments:
            self.remove(operation.deployment)
        return json_response(self.operations[operation.id])

    async def _delete_job(self, request: Request) -> Response:
        name = self._named_job(request)
        self.requests.append(f"delete {name} files={request.query_params.get('files')}")
        record = self.jobs[name]
        self.remove_job(name)
        return json_response(record)

    async def _act_on_job(self, request: Request) -> Response:
        name, action = self._named_job(request), request.path_params["action"]
        self.requests.append(f"{action} {name}")
        states = {"stop": "stopping", "resume": "queued", "cancel": "cancelled"}
        self.update_job(name, state=states[action])
        return json_response(self.jobs[name], 202)

    async def _points(self, request: Request) -> Response:
        after = int(request.query_params.get("after", -1))
        points = self.points.get(self._named_job(request), [])
        return json_response({"points": [point for point in points if point.step > after]})

    async def _log(self, request: Request) -> Response:
        of_job = "job" in request.path_params
        name = self._named_job(request) if of_job else self._named(request)
        lines = self.logs.get(name, [])
        after = int(request.query_params.get("after", 0))
        if after < 0:
            after = max(0, len(lines) + after)
        await self._hold(request, lambda: len(lines) > after)
        return json_response({"lines": lines[after:], "next": len(lines)})

    def _named(self, request: Request) -> str:
        name = str(request.path_params["name"])
        if name not in self.deployments:
            raise ModelNotFoundError(f"No deployment is named {name!r}.")
        return name

    def _named_job(self, request: Request) -> str:
        name = str(request.path_params["job"])
        if name not in self.jobs:
            raise NotFoundError(f"No job is named {name!r}.")
        return name

    def _accept(self, kind: Any, name: str, **fields: Any) -> Response:
        number = len(self.operations) + 1
        record = OperationRecord(
            **{
                "id": f"op{number}",
                "kind": kind,
                "deployment": name,
                "finished_at": time.time(),
                **fields,
            }
        )
        return json_response(self.operate(record), 202)

    async def _hold(self, request: Request, is_due: Callable[[], bool]) -> None:
        deadline = time.monotonic() + float(request.query_params.get("wait", 0))
        while not is_due() and time.monotonic() < deadline and not self._server.should_exit:
            await asyncio.sleep(TICK_S)
