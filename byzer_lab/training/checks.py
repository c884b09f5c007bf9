"""What can be checked of a job before anything heavy is imported or started."""

from __future__ import annotations

import importlib

from byzer_lab.jobs import KINDS, JobSpec

_MODULES = {
    "sfft": "pretrain",
    "merge": "merging",
    "convert": "converting",
    "evaluate": "evaluating",
}
"""Modules of ``byzer_lab.training.parameters``, where a kind's has another name than the kind."""


def check_job(spec: JobSpec) -> None:
    """Check a job's own parameters and whatever else is cheap to check.

    Training code of the user's own is left to the job's process: imported here, it would stay as it
    is until the registry restarts, however often its file is mended.

    Args:
        spec: The job, with its folder named and its secrets in place.

    Raises:
        InvalidRequestError: Something is wrong; the sentence says what.
    """
    if spec.kind not in KINDS:
        return
    name = _MODULES.get(spec.kind, spec.kind)
    importlib.import_module(f"byzer_lab.training.parameters.{name}").check(spec)
