"""A job as it is asked for: what is filled in and checked before anything is begun."""

from __future__ import annotations

import os
import uuid

import msgspec

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec, default_name
from byzer_lab.secrets import Redactor, resolve
from byzer_lab.training.checks import check_job


class JobBody(msgspec.Struct, forbid_unknown_fields=True):
    """Body of ``POST /api/jobs``."""

    spec: JobSpec
    secrets: dict[str, str] = {}
    replace: bool = False


def completed(spec: JobSpec) -> JobSpec:
    """A checked spec with name and folder filled in."""
    name = spec.name or default_name(spec.kind, spec.owner)
    folder = spec.folder or os.path.join(spec.path_prefix, f"{name}-{uuid.uuid4()}")
    spec = msgspec.structs.replace(spec, name=name, folder=folder)
    spec.check()
    if not os.path.isabs(folder):
        raise InvalidRequestError(
            f"The job's folder {folder!r} must be an absolute path, because the job runs elsewhere "
            "than here."
        )
    return spec


def check(spec: JobSpec, secrets: dict[str, str]) -> None:
    """Raise for what the job would refuse, before a process is started for it."""
    redact = Redactor(secrets.values())
    try:
        check_job(msgspec.structs.replace(spec, parameters=resolve(spec.parameters, secrets)))
    except InvalidRequestError as error:
        raise redact.error(error) from None
