"""The parameters that finetuning and preference tuning share, and how both are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.schema import ParameterInfo, describe_parameters, parameter, read_values
from byzer_lab.training.data.reading import files_of
from byzer_lab.training.parameters import trainer_arguments
from byzer_lab.training.parameters.typed import plain_names

PREFIX = "sft"
CONFIG = "config"
"""The parameter that holds others as JSON; what stands beside it wins."""

LEFT_OUT = {
    "logging_dir": "TensorBoard's files lie in logging/ of the job's folder",
    "output_dir": "checkpoints lie in finetune_model/ of the job's folder",
    "overwrite_output_dir": "a job has a folder of its own",
    "model_name_or_path": "the job's model_path says which model",
    "train_file": "the job's data_path says which rows",
    "save_safetensors": "weights are always saved so",
    "task_type": "the model's own kind counts",
    "model_type": "the model's own config.json counts",
    "do_train": "it always trains",
}
"""Names of other programs that mean nothing here, where nothing is lost without them."""

RENAMED = {
    "warmup_ratio": "warmup_steps",
    "evaluation_strategy": "eval_strategy",
    "no_cuda": "use_cpu",
    "per_gpu_train_batch_size": "per_device_train_batch_size",
    "per_gpu_eval_batch_size": "per_device_eval_batch_size",
}
"""Older names of the trainer's arguments, by whose new name they are taken."""


@dataclass(frozen=True)
class Training:
    """What both may be told, also as ``sft.TYPE.NAME``."""

    method: str = parameter(
        "auto",
        "lora trains an adapter beside the weights, qlora the same on weights of 4 bits, full all "
        "weights; auto is qlora on a GPU and lora on a processor.",
        choices=("auto", "lora", "qlora", "full"),
    )
    lora_rank: int = parameter(64, "Rank of the adapter.", least=1, aliases=("lora_r",))
    lora_alpha: float = parameter(16, "The adapter is scaled by this over its rank.", above=0)
    lora_dropout: float = parameter(
        0.05, "Share of the adapter's inputs dropped while it trains.", least=0, most=1
    )
    target_modules: list[str] | None = parameter(
        None,
        "Names of the layers that the adapter changes; by default every linear layer but the head.",
        aliases=("lora_target_modules",),
    )
    modules_to_save: list[str] | None = parameter(
        None, "Layers that are trained whole beside the adapter, such as lm_head."
    )
    use_rslora: bool = parameter(False, "Scale the adapter by alpha over the root of its rank.")
    use_dora: bool = parameter(False, "Train the size of the weights' columns apart (DoRA).")
    max_seq_length: int = parameter(
        1024,
        "Tokens of a row; a longer one is cut. A model with a shorter window takes its own.",
        unit="tokens",
        least=8,
        aliases=("max_length", "model_max_length"),
    )
    truncation_mode: str = parameter(
        "keep_start",
        "Which part of a longer row is kept.",
        choices=("keep_start", "keep_end"),
    )
    plain_prompts: bool = parameter(
        False, "Rows with prompt and completion are plain text, not question and answer of a chat."
    )
    num_train_epochs: float | None = parameter(
        None,
        "Passes over the data; by default 1, and more where the rows are so few that a pass has "
        "too few steps to learn from (at most 40).",
        above=0,
        aliases=("epochs",),
    )
    max_steps: int | None = parameter(
        None, "Optimizer steps, instead of num_train_epochs.", least=1
    )
    per_device_train_batch_size: int | None = parameter(
        None, "Rows that are computed at once; by default 1, of small models 16.", least=1
    )
    gradient_accumulation_steps: int | None = parameter(
        None,
        "Such batches per optimizer step; by default as many as make 16 rows on all workers, or "
        "less where an epoch would end with a few left over.",
        least=1,
    )
    learning_rate: float | None = parameter(
        None,
        "Of the first step after the warm-up; by default 2e-4 for adapters and 2e-5 for all "
        "weights, and up to 10 times that for narrow models.",
        above=0,
    )
    warmup_steps: float | None = parameter(
        None,
        "Steps in which the learning rate rises, below 1 as a share of all; by default 3 of 100.",
        least=0,
    )
    logging_steps: float | None = parameter(
        None,
        "Steps between two points of the curves; by default such that there are about 200 points, "
        "and at most 300.",
        above=0,
    )
    save_steps: float | None = parameter(
        None,
        "Steps between two checkpoints; by default a tenth of the run, of whole models a quarter, "
        "and at most 500.",
        above=0,
    )
    save_total_limit: int = parameter(1, "Checkpoints to keep, the newest.", least=1)
    eval_ratio: float = parameter(
        0.0, "Share of the rows that is held out to evaluate on.", least=0, most=0.9
    )
    eval_data_path: str | None = parameter(None, "File or folder of other rows to evaluate on.")
    on_bad_row: str = parameter(
        "error",
        "What to do with rows that can't be trained on; they are listed in data_report.json.",
        choices=("error", "skip"),
    )
    max_bad_ratio: float = parameter(
        0.1, "Share of the rows that on_bad_row skip may leave out.", least=0, most=1
    )
    dtype: str = parameter(
        "auto",
        "Number format of the weights while they train; auto is bfloat16 on a GPU that has it for "
        "adapters, else float32.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    skip_copy_pretrained_model: bool = parameter(
        False,
        "Don't put the base model into pretrained_model beside the adapter. On the same disk it "
        "takes no room there.",
        aliases=("skipCopyPretrainedModel",),
    )
    trust_remote_code: bool = parameter(False, "Run Python code that comes with the model.")


T = TypeVar("T", bound=Training)


@dataclass(frozen=True)
class Told:
    """What a job was told beside its own parameters.

    Attributes:
        arguments: Of the library's trainer, by name.
        given: Names that the user has set at all.
        warnings: Sentences on what is not taken.
    """

    arguments: dict[str, Any]
    given: frozenset[str]
    warnings: list[str]


def read_training(
    parameters: type[T], spec: JobSpec, table: Mapping[str, type], owner: str
) -> tuple[T, Told]:
    """A job's parameters: its own, and those of the library's trainer.

    Args:
        parameters: The kind's class.
        spec: The job.
        table: The trainer's arguments that the kind has beside the common ones.
        owner: For messages, such as ``A finetuning``.

    Raises:
        InvalidRequestError: A name is unknown or given twice, or a value doesn't fit.
    """
    beside = plain_names(spec.parameters, PREFIX)
    given = {**_renamed(_config(beside.pop(CONFIG, None))), **_renamed(beside)}
    left = [name for name in LEFT_OUT if given.pop(name, None) is not None]
    own = describe_parameters(parameters)
    known = {name for info in own for name in (info.name, *info.aliases)}
    every = {**trainer_arguments.COMMON, **table}
    others = [
        ParameterInfo(name, kind, None, "See the trainer's own documentation.")
        for name, kind in every.items()
        if name not in known
    ]
    infos = [*own, *others]
    values = read_values(infos, _lists(_once(given, own), infos), owner)
    mine = {info.name for info in own}
    return (
        parameters(**{name: value for name, value in values.items() if name in mine}),
        Told(
            {name: value for name, value in values.items() if name not in mine},
            frozenset(values),
            [f"{name} is not taken: {LEFT_OUT[name]}." for name in left],
        ),
    )


def check_data(spec: JobSpec, parameters: Training) -> None:
    """Refuse a job whose rows aren't there.

    Raises:
        InvalidRequestError: Names the path.
    """
    if not spec.data_path:
        raise InvalidRequestError(
            "data_path is missing: name a file or a folder of rows to train on."
        )
    files_of(spec.data_path)
    if parameters.eval_data_path:
        files_of(parameters.eval_data_path)
    if parameters.use_dora and parameters.method == "full":
        raise InvalidRequestError("use_dora belongs to an adapter; method full trains none.")


def bad_json(name: str, text: str, error: ValueError) -> InvalidRequestError:
    """The error of a parameter that is written as JSON."""
    return InvalidRequestError(f"{name} is no valid JSON ({error}): {text[:80]!r}.")


def _config(value: Any) -> dict[str, Any]:
    if value in (None, "", {}):
        return {}
    if isinstance(value, str):
        path = Path(value).expanduser()
        text = path.read_text() if value.endswith(".json") and path.is_file() else value
        try:
            value = json.loads(text)
        except ValueError as error:
            raise bad_json(CONFIG, text, error) from error
    if not isinstance(value, dict):
        raise InvalidRequestError(
            f"{CONFIG} is {value!r}; it must be a JSON object of parameters, such as "
            '{"learning_rate": 1e-4}.'
        )
    return plain_names(value, PREFIX)


def _renamed(given: Mapping[str, Any]) -> dict[str, Any]:
    return {RENAMED.get(name, name): value for name, value in given.items()}


def _lists(given: dict[str, Any], infos: Iterable[ParameterInfo]) -> dict[str, Any]:
    """Lists may be written as JSON, as Byzer-LLM does, beside a text with commas."""
    kinds = {info.name: info.kind for info in infos}
    found = dict(given)
    for name, value in given.items():
        if kinds.get(name) is list and isinstance(value, str) and value.startswith("["):
            try:
                found[name] = json.loads(value)
            except ValueError as error:
                raise bad_json(name, value, error) from error
    return found


def _once(given: dict[str, Any], own: Iterable[ParameterInfo]) -> dict[str, Any]:
    """What stands beside ``config`` wins over what stands in it under another name."""
    names = {alias: info.name for info in own for alias in info.aliases}
    found: dict[str, Any] = {}
    for name, value in given.items():
        found[names.get(name, name)] = value
    return found
