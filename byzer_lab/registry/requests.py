"""Requests of the control API: their shapes, and what is checked before anything is begun."""

from __future__ import annotations

import msgspec

from byzer_lab.engines import BACKENDS, backend_name
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.families import (
    SERVICE_BACKEND,
    SERVICE_CONCURRENCY,
    is_service,
    make_engine,
)
from byzer_lab.errors import InvalidRequestError, describe
from byzer_lab.generation import check_generation
from byzer_lab.records import DeploymentSpec
from byzer_lab.secrets import Redactor, resolve

DEFAULT_CONCURRENCY = 16
"""Requests at a time of a worker whose engine is the user's own."""


def completed(spec: DeploymentSpec) -> DeploymentSpec:
    """A checked spec with the backend's own name and concurrency filled in."""
    spec.check()
    if is_service(spec.pretrained_model_type) and ":" not in spec.backend:
        backend, own = SERVICE_BACKEND, SERVICE_CONCURRENCY
    else:
        backend = backend_name(spec.backend)
        known = BACKENDS.get(backend)
        own = known.concurrency if known else DEFAULT_CONCURRENCY
    check_generation(spec.generation)
    most = spec.max_workers
    return msgspec.structs.replace(
        spec,
        backend=backend,
        worker_concurrency=spec.worker_concurrency or own,
        workers=spec.workers if most is None else min(max(spec.workers, spec.min_workers), most),
    )


def check_engine(spec: DeploymentSpec, secrets: dict[str, str]) -> None:
    """Refuse what an engine would refuse, before a worker is started for it.

    An engine of the user's own is left to the worker: imported here, it would stay as it is until
    the registry restarts, however often its file is mended.
    """
    if ":" in spec.backend:
        return
    if not spec.model_path and not is_service(spec.pretrained_model_type):
        raise InvalidRequestError(
            "model_path is missing; give a folder, a hub id such as org/name, or 'bundled'."
        )
    config = EngineConfig(
        model_path=spec.model_path,
        pretrained_model_type=spec.pretrained_model_type,
        infer_params=resolve(spec.infer_params, secrets),
        concurrency=spec.worker_concurrency,
        gpus=spec.gpus_per_worker,
    )
    try:
        make_engine(spec.backend, config)
    except Exception as error:
        raise InvalidRequestError(Redactor(secrets.values())(describe(error))) from None


class DeployBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/deployments``."""

    spec: DeploymentSpec
    secrets: dict[str, str] = {}
    replace: bool = False


class ScaleBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/deployments/NAME/scale``."""

    workers: int
