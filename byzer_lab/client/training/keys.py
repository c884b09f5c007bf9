"""A training as Byzer-LLM writes it, in SQL and in ``raw_sft``: one mapping of texts."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import PATH_PREFIX, JobSpec

KIND_OF = {
    ("finetune", "sft"): "sft",
    ("finetune", "sfft"): "sfft",
    ("finetune", "dpo"): "dpo",
    ("merge", "lora"): "merge",
    ("convert", "deepspeed"): "convert",
    ("evaluate", "sft"): "evaluate",
}
"""The kind of a job, by the action and what stands before the slash of pretrainedModelType."""
ACTIONS = tuple(dict.fromkeys(action for action, _ in KIND_OF))

_MODEL = ("localModelDir", "modelNameOrPath", "model_dir", "local_model_path")
_DATA = ("data_dir", "localDataDir", "localDataDirPath")
_OF_THE_ORIGINAL = (
    *("action", "inputTable", "outputTable", "model", "modelTable", "udfName", "reconnect"),
    *("detached", "devices", "modelWaitServerReadyTimeout", "replace", "OWNER"),
)
"""Keys that the caller reads, or that mean nothing here."""
_NOT_OF = {"keepPartitionNum": "sfft"}
"""Keys that only one kind has as a parameter, and others take without effect."""


def kind_of(action: str, family: str) -> str:
    """The kind of a job.

    Raises:
        InvalidRequestError: There is none.
    """
    prefix = family.partition("/")[0]
    kind = KIND_OF.get((action, prefix))
    if kind is None:
        known = ", ".join(f"{begin}/..." for act, begin in KIND_OF if act == action)
        raise InvalidRequestError(
            f'action="{action}" of pretrainedModelType="{family}" is not supported; it takes '
            f"{known}."
        )
    return kind


@dataclass
class Reserved:
    """What a training reserves, as ``!byzerllm setup`` and arguments say it.

    Attributes:
        workers: Processes that train together; ``None``: one for each GPU.
        num_gpus: GPUs in all.
        num_cpus: CPUs in all.
        cpus_per_worker, gpus_per_worker: Of each process, instead.
        resources: Other Ray resources of each process.
    """

    workers: int | None = None
    num_gpus: float = 0.0
    num_cpus: float = 0.0
    cpus_per_worker: float | None = None
    gpus_per_worker: float | None = None
    resources: dict[str, float] = field(default_factory=dict)

    def fields(self, kind: str) -> dict[str, Any]:
        """Fields of a :class:`~byzer_lab.jobs.JobSpec`.

        Raises:
            InvalidRequestError: Several GPUs and a part of one.
        """
        together = kind in ("sft", "sfft", "dpo")
        gpus = self.num_gpus
        workers = self.workers or (max(1, int(gpus)) if together else 1)
        if gpus > 1 and gpus % 1:
            raise InvalidRequestError(
                f"num_gpus is {gpus:g}; above 1 it must be a whole number: each "
                "GPU has a process of its own."
            )
        each_gpu = gpus / workers if self.gpus_per_worker is None else self.gpus_per_worker
        each_cpu = self.num_cpus / workers if self.cpus_per_worker is None else self.cpus_per_worker
        return {
            "workers": workers,
            "gpus_per_worker": each_gpu,
            "cpus_per_worker": each_cpu,
            "resources": self.resources,
        }


def spec_of(kind: str, given: Mapping[str, Any], reserved: Reserved) -> JobSpec:
    """The job that Byzer-LLM's keys ask for.

    Args:
        kind: See :func:`kind_of`.
        given: The keys; what is none of Byzer-LLM's is a parameter of the kind.
        reserved: What it reserves.

    Raises:
        InvalidRequestError: A value is of a wrong kind.
    """
    left = {name: value for name, value in given.items() if name not in _OF_THE_ORIGINAL}
    for name, owner in _NOT_OF.items():
        if kind != owner:
            left.pop(name, None)
    fields: dict[str, Any] = {
        "kind": kind,
        "name": left.pop("name", ""),
        "model_path": _first(left, _MODEL),
        "model_type": left.pop("pretrainedModelType", "") or f"{kind}/auto",
        "path_prefix": left.pop("localPathPrefix", "") or PATH_PREFIX,
        "data_path": _first(left, _DATA),
        "owner": left.pop("owner", "") or user(),
        **reserved.fields(kind),
    }
    if "max_attempts" in left:
        fields["max_attempts"] = left.pop("max_attempts")
    fields["parameters"] = left
    return build(fields)


def build(fields: Mapping[str, Any]) -> JobSpec:
    """A spec of checked fields.

    Raises:
        InvalidRequestError: A value is of a wrong kind.
    """
    try:
        return msgspec.convert(fields, JobSpec, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidRequestError(f"The job was refused: {error}") from error


def _first(given: dict[str, Any], names: tuple[str, ...]) -> str:
    found = [value for name in names if (value := given.pop(name, ""))]
    return str(found[0]) if found else ""


def user() -> str:
    """Who asks, as the machine knows them; empty where it doesn't."""
    with suppress(OSError, KeyError):  # no such user in the machine's list
        return getpass.getuser()
    return ""
