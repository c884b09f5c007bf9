"""Training jobs as the registry keeps them and every face shows them.

These are JSON shapes of the control API (docs/http-api.md), beside those of ``records.py``.
"""

from __future__ import annotations

import re
import time
from typing import Any, Literal, get_args

import msgspec

from byzer_lab.bounds import check_bounds, check_name, check_reservation
from byzer_lab.errors import InvalidRequestError

JobKind = Literal["sft", "dpo", "sfft", "merge", "convert", "evaluate"]
KINDS: tuple[JobKind, ...] = get_args(JobKind)
JobState = Literal[
    "queued", "preparing", "running", "stopping", "completed", "stopped", "failed", "cancelled"
]

ENDED: frozenset[JobState] = frozenset({"completed", "stopped", "failed", "cancelled"})
"""States that a job leaves only by being resumed."""


PATH_PREFIX = "/tmp/byzerllm"
"""Where jobs have their folders, as of Byzer-LLM."""


class JobSpec(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """What the user asked for. Secrets stay references such as ``${HF_TOKEN}``.

    Attributes:
        name: Name of the job, unique in the cluster.
        kind: ``sft`` trains an adapter (LoRA, QLoRA) or all weights on questions and answers,
            ``dpo`` on preferred and rejected answers, ``sfft`` all weights on plain text with
            DeepSpeed; ``merge`` puts adapters into their base, ``convert`` makes a model folder of
            a DeepSpeed checkpoint, ``evaluate`` compares models on held-out rows. Or
            ``module:function``: training code of the user's own, as ``byzer_lab.training.running``
            has it.
        model_path: Folder of the model to begin with, a hub id, or ``bundled``.
        model_type: Family of the model, such as ``sft/llama2``; ``sft/auto`` detects it.
        folder: Folder of the job; where it is left open, the registry names one under
            ``path_prefix``.
        path_prefix: Where jobs have their folders.
        data_path: File (jsonl, json, csv, parquet, text) or folder of the rows.
        workers: Processes that train together, one per GPU.
        cpus_per_worker: Ray CPUs reserved by each.
        gpus_per_worker: Ray GPUs reserved by each.
        resources: Other Ray resources that each reserves.
        parameters: The kind's own parameters (docs/training.md), by name.
        owner: Who asked.
        max_attempts: So many attempts in a row may be lost that get no further than those before;
            each one goes on from the newest checkpoint.
        notes: Sentences that stand among its warnings from the beginning.
    """

    name: str
    kind: str
    model_path: str
    model_type: str = "sft/auto"
    folder: str = ""
    path_prefix: str = PATH_PREFIX
    data_path: str = ""
    workers: int = 1
    cpus_per_worker: float = 0.0
    gpus_per_worker: float = 0.0
    resources: dict[str, float] = {}
    parameters: dict[str, Any] = {}
    owner: str = ""
    max_attempts: int = 5
    notes: list[str] = []

    def check(self) -> None:
        """Raise :class:`InvalidRequestError` where a value is out of its bounds."""
        check_name(self.name, "job")
        if self.kind not in KINDS and ":" not in self.kind:
            raise InvalidRequestError(
                f"There is no kind of job {self.kind!r}; there is: {', '.join(KINDS)}, and "
                "'module:function' for training code of your own."
            )
        if not self.model_path:
            raise InvalidRequestError(
                "model_path is missing; give a folder, a hub id such as org/name, or 'bundled'."
            )
        check_bounds(
            [("workers", self.workers, 1, 1000), ("max_attempts", self.max_attempts, 1, 1000)]
        )
        check_reservation(self.cpus_per_worker, self.gpus_per_worker, self.resources)


def default_name(kind: str, owner: str) -> str:
    """Of a job without a name, as Byzer-LLM names its own: ``sft-william-20230809-13-04-48``."""
    when = time.strftime("%Y%m%d-%H-%M-%S")
    parts = (kind if kind in KINDS else "job", re.sub(r"[^A-Za-z0-9._-]", "", owner)[:24], when)
    return "-".join(part for part in parts if part)


class JobPoint(msgspec.Struct, omit_defaults=True):
    """One point of a job's curves.

    Attributes:
        step: Optimizer steps done.
        time: Seconds since the epoch.
        epoch: Passes over the data done, as a fraction.
        loss: Mean loss since the point before, in nats per trained token.
        eval_loss: The same on the held-out rows, where this step was evaluated.
        learning_rate: Of the last step.
        grad_norm: Of the last step, before clipping.
        tokens_per_second: Tokens trained on, padding not counted.
    """

    step: int
    time: float = 0.0
    epoch: float = 0.0
    loss: float | None = None
    eval_loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None


class Checkpoint(msgspec.Struct):
    """A state of the training that it can go on from.

    Attributes:
        step: Optimizer steps done.
        path: Its folder.
    """

    step: int
    path: str


class JobReport(msgspec.Struct, omit_defaults=True, kw_only=True):
    """What a job's process tells the registry; what it leaves ``None`` stays as it was.

    Attributes:
        state: ``preparing`` or ``running``; how a job ended is told by :class:`JobEnd`.
        phase: What it is at, such as ``checking the data``.
        progress: Share of the phase, 0 to 1.
        step, total_steps, epoch, tokens: How far it is; tokens of this attempt, without padding.
        memory_mb: Resident memory of its processes, in MiB.
        gpu_memory_mb: GPU memory in use, in MiB.
        eta_s: Seconds until the end, as it looks now.
        points: New points of the curves.
        checkpoints: All that are there now.
        artefacts: Folders and files by what they are: ``adapter``, ``model``, ``tensorboard``,
            ``data_report``, ``checkpoint``.
        warnings: Sentences that the user should read.
        node, pid: Where it runs.
    """

    state: Literal["preparing", "running"] | None = None
    phase: str | None = None
    progress: float | None = None
    step: int | None = None
    total_steps: int | None = None
    epoch: float | None = None
    tokens: int | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    eta_s: float | None = None
    points: list[JobPoint] = []
    checkpoints: list[Checkpoint] | None = None
    artefacts: dict[str, str] = {}
    warnings: list[str] = []
    node: str | None = None
    pid: int | None = None


class JobEnd(msgspec.Struct, omit_defaults=True, kw_only=True):
    """How a job's process ended.

    Attributes:
        state: ``completed``, or ``stopped`` where it was asked to stop and saved what it had.
        result: Figures of the whole run, such as ``train_loss`` and ``train_runtime``, or of a
            comparison.
        artefacts: See :class:`JobReport`.
    """

    state: Literal["completed", "stopped"] = "completed"
    result: dict[str, Any] = {}
    artefacts: dict[str, str] = {}


class JobRecord(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One job as the faces see it.

    Attributes:
        id: Unique id.
        spec: What was asked for.
        state: Its place in the life of a job.
        phase, progress, step, total_steps, epoch, tokens, memory_mb, gpu_memory_mb, eta_s,
            checkpoints, artefacts, warnings, node, pid: See :class:`JobReport`.
        point: The newest of each figure of the curves; all points: ``GET /api/jobs/NAME/points``.
        attempt: How often its process was started.
        result: See :class:`JobEnd`.
        error: Why it failed: an error's wire form.
        ending: How it shall end, once the user asked for that.
        created_at, started_at, finished_at: Seconds since the epoch.
        rev: Revision of its last change.
    """

    id: str
    spec: JobSpec
    state: JobState = "queued"
    phase: str = ""
    progress: float | None = None
    step: int = 0
    total_steps: int = 0
    epoch: float = 0.0
    tokens: int = 0
    memory_mb: float = 0.0
    gpu_memory_mb: float = 0.0
    eta_s: float | None = None
    point: JobPoint = msgspec.field(default_factory=lambda: JobPoint(step=0))
    checkpoints: list[Checkpoint] = []
    artefacts: dict[str, str] = {}
    warnings: list[str] = []
    node: str = ""
    pid: int = 0
    attempt: int = 1
    result: dict[str, Any] = {}
    error: dict[str, Any] | None = None
    ending: Literal["stopped", "cancelled"] | None = None
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    rev: int = 0
