"""What the registry keeps and every face shows: deployments, workers, operations; jobs are in
``jobs.py``.

These are the JSON shapes of the control API (docs/http-api.md).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from byzer_lab.bounds import Bound, check_bounds, check_name, check_reservation
from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobRecord
from byzer_lab.types import Sampling

DeploymentState = Literal["queued", "starting", "loading", "ready", "failed", "draining"]
WorkerState = Literal["queued", "starting", "loading", "ready", "draining"]
OperationState = Literal["running", "succeeded", "failed", "cancelled"]
LoadBalance = Literal["lru", "round_robin", "least_loaded", "prefix"]


class DeploymentSpec(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What the user asked for. Secrets stay references such as ``${HF_TOKEN}``.

    Attributes:
        name: Name of the deployment, unique in the cluster.
        model_path: A local folder, a hub id, or ``bundled``.
        pretrained_model_type: The model's family; ``custom/auto`` detects it.
        backend: Engine that runs it: a key of ``byzer_lab.engines.BACKENDS`` or ``module:Class``.
        workers: How many copies of the model.
        worker_concurrency: Requests that one worker answers at a time; 0 takes the backend's own.
        queue_limit: Requests that may wait at one worker; more are refused.
        cpus_per_worker: Ray CPUs reserved by a worker; 0 reserves none.
        gpus_per_worker: Ray GPUs reserved by a worker, fractions allowed.
        resources: Other Ray resources that a worker reserves, such as ``{"big_memory": 0.01}``.
        infer_params: Parameters of the engine.
        load_timeout_s: Seconds a worker may take to become ready.
        load_balance: How requests are spread over the workers; see :mod:`byzer_lab.routing`.
        generation: Generation parameters of requests that leave them open.
        max_workers: With it the number of workers follows the load, up to this many.
        min_workers: Fewest workers when the number follows the load.
        scale_down_after_s: Seconds that fewer workers must have been enough.
    """

    name: str
    model_path: str = ""
    pretrained_model_type: str = "custom/auto"
    backend: str = "transformers"
    workers: int = 1
    worker_concurrency: int = 0
    queue_limit: int = 256
    cpus_per_worker: float = 0.0
    gpus_per_worker: float = 0.0
    resources: dict[str, float] = {}
    infer_params: dict[str, Any] = {}
    load_timeout_s: float = 1800.0
    load_balance: LoadBalance = "lru"
    generation: Sampling = msgspec.field(default_factory=Sampling)
    max_workers: int | None = None
    min_workers: int = 1
    scale_down_after_s: float = 60.0

    def check(self) -> None:
        """Raise :class:`InvalidRequestError` where a value is out of its bounds."""
        check_name(self.name, "deployment")
        most = self.min_workers if self.max_workers is None else self.max_workers
        bounds: list[Bound] = [
            ("workers", self.workers, 1, 1000),
            ("worker_concurrency", self.worker_concurrency, 0, 100_000),
            ("queue_limit", self.queue_limit, 0, 1_000_000),
            ("load_timeout_s", self.load_timeout_s, 1, 7 * 86_400),
            ("min_workers", self.min_workers, 1, 1000),
            ("max_workers", most, self.min_workers, 1000),
            ("scale_down_after_s", self.scale_down_after_s, 0, 86_400),
        ]
        check_bounds(bounds)
        check_reservation(self.cpus_per_worker, self.gpus_per_worker, self.resources)
        if self.min_workers > 1 and self.max_workers is None:
            raise InvalidRequestError(
                f"min_workers is {self.min_workers}, but max_workers is not given; set both, or "
                "workers alone."
            )


class Load(msgspec.Struct):
    """What a worker is doing now.

    Attributes:
        in_flight: Requests being answered.
        queued: Requests waiting.
        tokens_per_second: Tokens generated, or read by an embedding model, in the last second.
        requests: Requests finished since the worker started.
        memory_mb: Resident memory of the worker's process, in MiB.
        phase: What the request is at that tells its progress, such as ``drawing``.
        progress: Share of it that is done, 0 to 1; ``None`` while no request tells.
    """

    in_flight: int = 0
    queued: int = 0
    tokens_per_second: float = 0.0
    requests: int = 0
    memory_mb: float = 0.0
    phase: str = ""
    progress: float | None = None


class WorkerRecord(msgspec.Struct, kw_only=True):
    """One worker.

    Attributes:
        id: Unique id.
        index: Its number among the workers, from 0; a replacement takes the lost one's.
        state: Its place in the life of a worker.
        phase: What loading is at, such as ``loading weights``.
        progress: Share of the phase, 0 to 1; ``None`` when it can't be known.
        url: Where the worker listens; empty until it does.
        node: IP address of its Ray node.
        pid: Process id on that node.
        load: See :class:`Load`.
        created_at: Seconds since the epoch.
    """

    id: str
    index: int = 0
    state: WorkerState = "queued"
    phase: str = ""
    progress: float | None = None
    url: str = ""
    node: str = ""
    pid: int = 0
    load: Load = msgspec.field(default_factory=Load)
    created_at: float = 0.0


class WorkerReport(msgspec.Struct, kw_only=True):
    """What a worker tells the registry whenever it changes.

    Attributes:
        state, phase, progress, url, node, pid, load: See :class:`WorkerRecord`.
        meta: What its engine says of the model, once loaded.
    """

    state: WorkerState
    phase: str = ""
    progress: float | None = None
    url: str = ""
    node: str = ""
    pid: int = 0
    load: Load = msgspec.field(default_factory=Load)
    meta: dict[str, Any] = {}


class DeploymentRecord(msgspec.Struct, kw_only=True):
    """One deployment as the faces see it.

    Attributes:
        spec: What was asked for.
        state: Summary of its workers' states.
        error: The last failure's wire form, or ``None``.
        meta: What the engine says of the model (see ``ByzerLLM.get_meta``).
        workers: Its workers, oldest first.
        replaced: How many workers were lost and replaced since the deploy.
        operation: Id of the operation that is changing it now, or ``None``.
        created_at: Seconds since the epoch.
        rev: Revision of its last change.
    """

    spec: DeploymentSpec
    state: DeploymentState = "queued"
    error: dict[str, Any] | None = None
    meta: dict[str, Any] = {}
    workers: list[WorkerRecord] = []
    replaced: int = 0
    operation: str | None = None
    created_at: float = 0.0
    rev: int = 0


class OperationRecord(msgspec.Struct, kw_only=True):
    """A change under way or finished: deploy, scale or undeploy.

    Attributes:
        id: Unique id.
        kind: What is being done.
        deployment: On what.
        state: ``running`` until it ended one way or another.
        phase: What it is at.
        progress: Share of the phase, 0 to 1; ``None`` when it can't be known.
        error: Why it failed: an error's wire form.
        created_at: Seconds since the epoch.
        finished_at: Seconds since the epoch, or ``None``.
        rev: Revision of its last change.
    """

    id: str
    kind: Literal["deploy", "scale", "undeploy"]
    deployment: str
    state: OperationState = "running"
    phase: str = ""
    progress: float | None = None
    error: dict[str, Any] | None = None
    created_at: float = 0.0
    finished_at: float | None = None
    rev: int = 0


class LogLine(msgspec.Struct):
    """One line that a worker or a job wrote.

    Attributes:
        seq: Number in the deployment's or the job's log, from 1.
        time: Seconds since the epoch.
        worker: Id of the worker; of a job, which of its attempts.
        text: The line, without its newline and without secrets.
    """

    seq: int
    time: float
    worker: str
    text: str


class Resources(msgspec.Struct):
    """An amount of one resource in the cluster: what there is and what is reserved."""

    total: float = 0.0
    used: float = 0.0


class ClusterRecord(msgspec.Struct, kw_only=True):
    """The Ray cluster.

    Attributes:
        address: Address of the Ray head.
        nodes: Living nodes.
        cpus: Ray CPUs.
        gpus: Ray GPUs.
    """

    address: str
    nodes: int = 1
    cpus: Resources = msgspec.field(default_factory=Resources)
    gpus: Resources = msgspec.field(default_factory=Resources)


class StateSnapshot(msgspec.Struct, kw_only=True):
    """The cluster's state, or what changed in it since a revision.

    Attributes:
        epoch: Changes when the registry restarts; revisions of another epoch mean nothing.
        rev: Revision of this snapshot.
        full: True: everything; False: only what changed.
        cluster: See :class:`ClusterRecord`.
        deployments: All, or those changed since.
        removed: Names of deployments that ended since.
        operations: Running ones, and those that ended lately or since.
        jobs: All, or those changed since.
        removed_jobs: Names of jobs that were deleted since.
    """

    epoch: str
    rev: int
    full: bool
    cluster: ClusterRecord
    deployments: list[DeploymentRecord] = []
    removed: list[str] = []
    operations: list[OperationRecord] = []
    jobs: list[JobRecord] = []
    removed_jobs: list[str] = []


class BackendRecord(msgspec.Struct, kw_only=True):
    """A backend, as the cluster has it.

    Attributes:
        name: Its name.
        summary: What it is for, in a few words.
        installed: Whether its library is there.
        install: The command that installs it.
        concurrency: Requests at a time of a worker whose deployment doesn't say.
    """

    name: str
    summary: str
    installed: bool
    install: str
    concurrency: int


class Endpoint(msgspec.Struct):
    """Where a worker listens.

    Attributes:
        worker: Id of the worker.
        url: Base URL.
        index: Its number among the workers.
        busy: Requests that it answered or held in its queue when it last told.
    """

    worker: str
    url: str
    index: int = 0
    busy: int = 0


class Route(msgspec.Struct, kw_only=True):
    """The ready workers of a deployment, for whoever sends requests.

    Attributes:
        deployment: Name of the deployment.
        state: Its state, for the message when nobody is ready.
        endpoints: Ready workers, by index.
        workers: How many workers are wanted.
        load_balance: How requests are spread over them.
        generation: Generation parameters of requests that leave them open.
    """

    deployment: str
    state: DeploymentState
    endpoints: list[Endpoint]
    workers: int = 1
    load_balance: LoadBalance = "lru"
    generation: Sampling = msgspec.field(default_factory=Sampling)


class KeyRecord(msgspec.Struct, kw_only=True):
    """One key.

    Attributes:
        name: Unique name.
        hint: Its first characters.
        hash: SHA-256 of the key: 256 random bits need no slow hash.
        requests_per_minute: Most requests in a minute; 0: any number.
        tokens_per_minute: Most tokens in a minute, of prompts and answers; 0: any number.
        created_at: Seconds since the epoch.
    """

    name: str
    hint: str = ""
    hash: str = ""
    requests_per_minute: int = 0
    tokens_per_minute: int = 0
    created_at: float = 0.0


class NewKey(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/keys``."""

    name: str
    requests_per_minute: int = 0
    tokens_per_minute: int = 0


class CreatedKey(msgspec.Struct):
    """Answer of ``POST /api/keys``: the only place where the key itself is."""

    key: str
    record: KeyRecord
