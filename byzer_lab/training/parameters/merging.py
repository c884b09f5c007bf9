"""The parameters of a merge: adapters into the model that they were trained on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from byzer_lab.engines.folder import ADAPTER
from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.schema import parameter, read_parameters
from byzer_lab.training.parameters.target import target_of

COMBINATIONS = ("linear", "ties", "dare_linear", "dare_ties", "cat", "svd")
_WITH_DENSITY = ("ties", "dare_linear", "dare_ties")


@dataclass(frozen=True)
class Parameters:
    """What a merge may be told."""

    adapters: list[str] | None = parameter(
        None,
        "Folders of the adapters, as PEFT saves them.",
        aliases=(
            *("adapter", "adapterNameOrPath", "adapter_name_or_path"),
            *("checkpoint_dir", "checkpointDir", "local_adpator_model_path"),
        ),
    )
    save_path: str | None = parameter(
        None,
        "Folder for the merged model; by default finetune_model/final in the job's folder.",
        aliases=("savePath", "local_target_path"),
    )
    weights: list[float] | None = parameter(
        None, "Weight of each adapter, in their order; by default 1 for one, else equal shares."
    )
    combination: str = parameter(
        "linear",
        "How several adapters are put together; cat and svd also take adapters of unlike ranks.",
        choices=COMBINATIONS,
        aliases=("combination_type",),
    )
    density: float | None = parameter(
        None,
        "Share of each adapter's numbers that ties and dare keep; by default 0.5.",
        above=0,
        most=1,
    )
    base: str = parameter(
        "trained",
        "Of an adapter that was trained on a quantised base: merge into that base as it was "
        "trained on, turned back into plain numbers, or into the original.",
        choices=("trained", "original"),
    )
    dtype: str = parameter(
        "auto",
        "Number format of the merged weights; auto keeps the base's.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    tolerance: float | None = parameter(
        None,
        "How far the merged model's logits may be from those of base and adapter, as a share of "
        "their spread (standard deviation); by default 0.02, in 16 bits 0.25.",
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

    @property
    def folders(self) -> list[Path]:
        """Of the adapters."""
        return [Path(folder).expanduser() for folder in self.adapters or ()]

    @property
    def shares(self) -> list[float]:
        """Weight of each adapter."""
        count = len(self.folders)
        return self.weights if self.weights is not None else [1 / count] * count

    @property
    def kept(self) -> float | None:
        """The density where the combination has one."""
        return (self.density or 0.5) if self.combination in _WITH_DENSITY else None


def read(spec: JobSpec) -> Parameters:
    """The job's parameters.

    Raises:
        InvalidRequestError: One is unknown, doesn't fit, or contradicts another one.
    """
    parameters = read_parameters(Parameters, spec.parameters, "merge")
    folders = parameters.folders
    if not folders:
        raise InvalidRequestError(
            "adapters is missing: name the folder of the adapter to merge (adapterNameOrPath)."
        )
    for folder in folders:
        if not (folder / ADAPTER).is_file():
            missing = f"has no {ADAPTER}" if folder.is_dir() else "does not exist"
            raise InvalidRequestError(f"The adapter's folder {str(folder)!r} {missing}.")
    weights = parameters.weights
    if weights is not None and len(weights) != len(folders):
        raise InvalidRequestError(
            f"weights has {len(weights)} numbers for {len(folders)} adapters; give one for each."
        )
    if parameters.density is not None and parameters.kept is None:
        raise InvalidRequestError(
            f"density is set, but combination is {parameters.combination!r}; it belongs to "
            f"{', '.join(_WITH_DENSITY)}."
        )
    return parameters


def check(spec: JobSpec) -> None:
    """Check a job before it starts.

    Raises:
        InvalidRequestError: A parameter is wrong, an adapter is missing, or nothing can be saved
            where the model shall be.
    """
    parameters = read(spec)
    target_of(spec, parameters.save_path, overwrite=parameters.overwrite)
