"""The parameters of a conversion: a DeepSpeed checkpoint into a model's folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from byzer_lab.engines.folder import ADAPTER
from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.schema import parameter, read_parameters
from byzer_lab.training.parameters import merging
from byzer_lab.training.parameters.target import target_of

_LATEST = "latest"  # DeepSpeed writes the newest tag into this file
_STATES = "*model_states.pt"
_NOT_OF_A_MERGE = ("tag", "tokenizer_path")


@dataclass(frozen=True)
class Parameters:
    """What a conversion may be told."""

    checkpoint_dir: str | None = parameter(
        None,
        "Folder of the checkpoints, in which each tag has a folder; or an adapter's folder, which "
        "is merged into the model.",
        aliases=("checkpointDir",),
    )
    tag: str | None = parameter(
        None, "Which checkpoint, such as Epoch-1; by default the newest one."
    )
    save_path: str | None = parameter(
        None,
        "Folder for the model; by default finetune_model/final in the job's folder.",
        aliases=("savePath",),
    )
    dtype: str = parameter(
        "auto",
        "Number format of the weights; auto takes the one that the checkpoint was trained in.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    tokenizer_path: str | None = parameter(
        None,
        "Folder of the tokenizer, or a SentencePiece file; by default the model's.",
    )
    tolerance: float | None = parameter(
        None,
        "How far the saved model's logits may be from the checkpoint's, as a share of their "
        "spread (standard deviation); by default 0.02, in 16 bits 0.25.",
        above=0,
    )
    min_agreement: float = parameter(
        0.97,
        "Share of positions whose likeliest token must be the same before and after.",
        least=0,
        most=1,
    )
    overwrite: bool = parameter(False, "Replace a model that is in save_path already.")
    trust_remote_code: bool = parameter(False, "Run Python code that comes with the model.")


def adapter_in(spec: JobSpec) -> bool:
    """Whether the job names an adapter's folder, so that it is a merge."""
    given = spec.parameters
    folder = given.get("checkpoint_dir") or given.get("checkpointDir")
    return isinstance(folder, str) and (Path(folder).expanduser() / ADAPTER).is_file()


def as_merge(spec: JobSpec) -> JobSpec:
    """The same job as a merge, whose parameters have other names."""
    kept = {name: value for name, value in spec.parameters.items() if name not in _NOT_OF_A_MERGE}
    return replace(spec, kind="merge", parameters=kept)


def read(spec: JobSpec) -> Parameters:
    """The job's parameters.

    Raises:
        InvalidRequestError: One is unknown or doesn't fit.
    """
    parameters = read_parameters(Parameters, spec.parameters, "convert")
    if parameters.checkpoint_dir is None:
        raise InvalidRequestError(
            "checkpoint_dir is missing: name the folder of the DeepSpeed checkpoints."
        )
    return parameters


def checkpoint_of(parameters: Parameters) -> tuple[Path, str]:
    """Folder of the checkpoints and the tag of the one to convert.

    Raises:
        InvalidRequestError: There is no such checkpoint.
    """
    folder = Path(parameters.checkpoint_dir or "").expanduser()
    if not folder.is_dir():
        raise InvalidRequestError(f"The checkpoints' folder {str(folder)!r} does not exist.")
    if parameters.tag is None and any(folder.glob(_STATES)):
        return folder.parent, folder.name
    tags = sorted(path.parent.name for path in folder.glob(f"*/{_STATES}"))
    there = f"there are {', '.join(dict.fromkeys(tags))}" if tags else "it has no checkpoint"
    tag = parameters.tag
    if tag is None:
        latest = folder / _LATEST
        tag = latest.read_text().strip() if latest.is_file() else None
        if tag is None:
            raise InvalidRequestError(
                f"The folder {str(folder)!r} doesn't say which checkpoint is the newest: {there}. "
                "Name one with tag."
            )
    if tag not in tags:
        raise InvalidRequestError(
            f"The folder {str(folder)!r} has no DeepSpeed checkpoint {tag!r}: {there}."
        )
    return folder, tag


def check(spec: JobSpec) -> None:
    """Check a job before it starts.

    Raises:
        InvalidRequestError: A parameter is wrong, the checkpoint is missing, or nothing can be
            saved where the model shall be.
    """
    if adapter_in(spec):
        merging.check(as_merge(spec))
        return
    parameters = read(spec)
    checkpoint_of(parameters)
    target_of(spec, parameters.save_path, overwrite=parameters.overwrite)
