"""The parameters of a finetuning on questions and answers."""

from __future__ import annotations

from dataclasses import dataclass

from msgspec.structs import replace

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.schema import parameter
from byzer_lab.training.parameters import trainer_arguments
from byzer_lab.training.parameters.trainer import Told, Training, check_data, read_training


@dataclass(frozen=True)
class Parameters(Training):
    """What a finetuning may be told, also as ``sft.TYPE.NAME``."""

    packing: str = parameter(
        "auto",
        "Put several rows into one sequence, each of which sees itself alone; auto does so with "
        "many rows on a GPU, where it saves the padding; on a processor it costs time.",
        choices=("auto", "true", "false"),
    )


def read(spec: JobSpec) -> tuple[Parameters, Told]:
    """The job's parameters, and what its trainer is told beside them.

    Raises:
        InvalidRequestError: One is unknown or doesn't fit.
    """
    given = dict(spec.parameters)
    for name in ("packing", "sft.bool.packing"):
        if isinstance(given.get(name), bool):
            given[name] = str(given[name]).lower()
    parameters, told = read_training(
        Parameters, replace(spec, parameters=given), trainer_arguments.SFT, "A finetuning (sft)"
    )
    for name in ("assistant_only_loss", "completion_only_loss"):
        if told.arguments.get(name) is False:
            raise InvalidRequestError(
                f"{name} is false, but only answers are trained on; give the rows as text to train "
                "on all of them."
            )
        told.arguments.pop(name, None)
    return parameters, told


def check(spec: JobSpec) -> None:
    """Check a job before it starts.

    Raises:
        InvalidRequestError: A parameter is wrong, or there are no rows.
    """
    parameters, _ = read(spec)
    check_data(spec, parameters)
