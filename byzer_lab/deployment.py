"""The settings of a deployment, described once.

Their wire form is :class:`byzer_lab.records.DeploymentSpec`, which has the last word on bounds.
Options of ``%%llm_deploy``, the deploy form and the reference page read this table.
"""

from __future__ import annotations

from typing import Any, get_args

import msgspec

from byzer_lab.records import DeploymentSpec, LoadBalance
from byzer_lab.schema import Kind, ParameterInfo

_FIELDS = {field.name: field for field in msgspec.structs.fields(DeploymentSpec)}


def _setting(name: str, kind: Kind, help: str, **more: Any) -> ParameterInfo:
    field = _FIELDS[name]
    default = field.default_factory() if callable(field.default_factory) else field.default
    return ParameterInfo(name, kind, default, help, **more)


DEPLOYMENT: tuple[ParameterInfo, ...] = (
    _setting("model_path", str, "A local folder, a hub id, or 'bundled'."),
    _setting(
        "pretrained_model_type",
        str,
        "The model's family; custom/auto detects it.",
    ),
    _setting("backend", str, "The engine that runs it, or module:Class of your own."),
    _setting("workers", int, "Copies of the model.", least=1, most=1000),
    _setting(
        "worker_concurrency",
        int,
        "Requests that one worker answers at a time; 0 takes the backend's own.",
        unit="requests",
        least=0,
        most=100_000,
    ),
    _setting(
        "queue_limit",
        int,
        "Requests that may wait at one worker; more are refused.",
        unit="requests",
        least=0,
        most=1_000_000,
    ),
    _setting(
        "cpus_per_worker", float, "CPUs that a worker reserves.", unit="CPUs", least=0, most=10_000
    ),
    _setting(
        "gpus_per_worker",
        float,
        "GPUs that a worker reserves; fractions are allowed.",
        unit="GPUs",
        least=0,
        most=1_000,
    ),
    _setting(
        "load_balance",
        str,
        "How requests are spread over the workers.",
        choices=get_args(LoadBalance),
    ),
    _setting("min_workers", int, "Fewest workers, where max_workers is given.", least=1, most=1000),
    _setting(
        "max_workers",
        int,
        "Most workers; with it their number follows the load.",
        least=1,
        most=1000,
    ),
    _setting(
        "scale_down_after_s",
        float,
        "How long fewer workers must have been enough before one is taken away.",
        unit="seconds",
        least=0,
        most=86_400,
    ),
    _setting(
        "load_timeout_s",
        float,
        "How long a worker may take to become ready.",
        unit="seconds",
        least=1,
        most=7 * 86_400,
    ),
)
"""``name``, ``resources``, ``infer_params`` and ``generation`` are no single values: what each face
makes of them is its own."""

SETTINGS: dict[str, ParameterInfo] = {info.name: info for info in DEPLOYMENT}
