"""The parameters of a tuning on preferred and rejected answers."""

from __future__ import annotations

from dataclasses import dataclass

from byzer_lab.jobs import JobSpec
from byzer_lab.schema import parameter
from byzer_lab.training.parameters import trainer_arguments
from byzer_lab.training.parameters.trainer import Told, Training, check_data, read_training


@dataclass(frozen=True)
class Parameters(Training):
    """What a preference tuning may be told, also as ``sft.TYPE.NAME``."""

    beta: float = parameter(
        0.1, "How near to the model that it began as the tuned one is held.", above=0
    )


def read(spec: JobSpec) -> tuple[Parameters, Told]:
    """The job's parameters, and what its trainer is told beside them.

    Raises:
        InvalidRequestError: One is unknown or doesn't fit.
    """
    return read_training(Parameters, spec, trainer_arguments.DPO, "A preference tuning (dpo)")


def check(spec: JobSpec) -> None:
    """Check a job before it starts.

    Raises:
        InvalidRequestError: A parameter is wrong, or there are no rows.
    """
    parameters, _ = read(spec)
    check_data(spec, parameters)
