"""Runs one job in this process: finds the code of its kind, and words its failures."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable

from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError, describe
from byzer_lab.jobs import JobEnd, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.saving import is_full

Run = Callable[[JobSpec, Channel], JobEnd]
"""Does a job and returns how it ended. A job that is started again goes on from its newest
checkpoint; see :attr:`byzer_lab.training.channel.Channel.attempt`."""

_CODE = {
    "sft": "byzer_lab.training.sft.training:run",
    "dpo": "byzer_lab.training.dpo.training:run",
    "sfft": "byzer_lab.training.pretrain.training:run",
    "merge": "byzer_lab.training.merging:run",
    "convert": "byzer_lab.training.converting:run",
    "evaluate": "byzer_lab.training.evaluating:run",
}


def find_code(kind: str) -> Run:
    """The function that does jobs of a kind.

    Args:
        kind: A key of ``byzer_lab.jobs.KINDS``, or ``module:function``.

    Raises:
        InvalidRequestError: There is no such function.
        EngineError: Its module can't be imported.
    """
    module, _, name = _CODE.get(kind, kind).partition(":")
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError as error:
        if error.name and module.startswith(error.name):
            raise InvalidRequestError(f"There is no module {module!r} for the job.") from error
        raise EngineError(
            f"{module} can't be imported: {error}; pip install 'byzer-lab[finetune]' installs what "
            "training needs."
        ) from error
    if not callable(found):
        raise InvalidRequestError(f"{module} has no function {name!r} for the job.")
    run: Run = found
    return run


def run_job(spec: JobSpec, channel: Channel) -> JobEnd:
    """Do a job.

    Args:
        spec: The job, with its secrets in place.
        channel: Told how it goes.

    Raises:
        ByzerLabError: It failed; whatever the code raised, in a sentence.
    """
    try:
        return find_code(spec.kind)(spec, channel)
    except ByzerLabError:
        raise
    except Exception as error:
        traceback.print_exc()  # into the job's log
        raise _in_a_sentence(spec, error) from error


def _in_a_sentence(spec: JobSpec, error: Exception) -> ByzerLabError:
    if isinstance(error, OSError) and is_full(error):
        return EngineError(
            f"The disk of {error.filename or spec.folder!r} is full; free some space, then resume "
            "the job: its earlier checkpoints are kept."
        )
    if isinstance(error, PermissionError):
        return EngineError(
            f"Nothing can be written to {error.filename or spec.folder!r} ({error.strerror}); mend "
            "its permissions, then resume the job."
        )
    return EngineError(describe(error))
