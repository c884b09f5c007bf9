"""DeepSpeed's configuration: read, checked before anything starts, and completed."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from byzer_lab.errors import EngineError, InvalidRequestError

TENSORBOARD = "tensorboard_dir"
"""Of the job's folder: where DeepSpeed writes its curves."""

DEFAULT: dict[str, Any] = {
    "gradient_accumulation_steps": 1,
    "train_micro_batch_size_per_gpu": 1,
    "prescale_gradients": False,
    "zero_allow_untested_optimizer": True,
    "optimizer": {
        "type": "AdamW",
        "params": {"lr": 1e-8, "eps": 1e-8, "betas": [0.9, 0.95], "weight_decay": 0.1},
    },
    "tensorboard": {"enabled": True},
    "zero_optimization": {
        "stage": 3,
        "offload_optimizer": {"device": "cpu"},
        "offload_param": {"device": "cpu"},
        "contiguous_gradients": True,
        "allgather_bucket_size": 1e8,
        "reduce_bucket_size": 1e8,
        "overlap_comm": True,
        "reduce_scatter": True,
    },
    "steps_per_print": 16,
    "gradient_clipping": 1.0,
    "wall_clock_breakdown": True,
    "bf16": {"enabled": True},
}
"""What is taken where a job names none: that of Byzer-LLM's README."""

_KNOWN = {
    *("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps"),
    *("optimizer", "scheduler", "bf16", "bfloat16", "fp16", "torch_autocast", "gradient_clipping"),
    *("zero_optimization", "zero_allow_untested_optimizer", "zero_force_ds_cpu_optimizer"),
    *("prescale_gradients", "gradient_predivide_factor", "gradient_allreduce_op"),
    *("communication_data_type", "seq_parallel_communication_data_type", "disable_allgather"),
    *("steps_per_print", "wall_clock_breakdown", "memory_breakdown", "dump_state", "log_level"),
    *("tensorboard", "wandb", "csv_monitor", "comet", "comms_logger", "timers", "flops_profiler"),
    *("activation_checkpointing", "aio", "checkpoint", "data_types", "compile", "vocabulary_size"),
    *("disable_python_gc", "dataloader_drop_last", "weight_quantization", "graph_safe"),
    *("use_data_before_expert_parallelism", "managed_gradient_accumulation"),
}
_OTHER_LOOPS = {
    *("pipeline", "tensor_parallel", "expert_parallel", "sequence_parallel_size", "hybrid_engine"),
    *("autotuning", "data_efficiency", "compression_training", "elasticity", "amp"),
}
_COUNTS = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
_DEVICES = ("none", "cpu", "nvme")


def read_settings(given: Any, *, name: str = "deepspeedConfig") -> dict[str, Any]:
    """DeepSpeed's configuration as it was given.

    Args:
        given: JSON text or a mapping; ``None`` takes :data:`DEFAULT`.
        name: What the caller calls it.

    Raises:
        InvalidRequestError: It is no JSON object, with the place.
    """
    if given is None or given == "":
        return copy.deepcopy(DEFAULT)
    if isinstance(given, Mapping):
        return copy.deepcopy(dict(given))
    if not isinstance(given, str):
        raise InvalidRequestError(f"{name} must be a JSON object; it is {type(given).__name__}.")
    try:
        found = json.loads(given, object_pairs_hook=lambda pairs: _once(pairs, name))
    except json.JSONDecodeError as error:
        line = given.splitlines()[error.lineno - 1].strip() if given.strip() else ""
        raise InvalidRequestError(
            f"{name} is no valid JSON: {error.msg} in line {error.lineno}, column {error.colno}"
            f" ({line[:80]!r})."
        ) from error
    if not isinstance(found, dict):
        raise InvalidRequestError(f"{name} must be a JSON object; it is {given.strip()[:40]!r}.")
    return found


def _once(pairs: list[tuple[str, Any]], name: str) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice is not None:
        raise InvalidRequestError(f"{name} has {twice!r} twice; leave one of them out.")
    return dict(pairs)


def need_deepspeed() -> None:
    """Refuse what needs DeepSpeed where it is not installed.

    Raises:
        EngineError: Says how to install it.
    """
    if find_spec("deepspeed") is None:
        raise EngineError(
            "DeepSpeed is not installed: pip install 'byzer-lab[deepspeed]' where the workers run."
        )


def check_settings(settings: dict[str, Any], workers: int, gpus: float) -> list[str]:
    """Refuse what DeepSpeed would refuse, or silently ignore.

    Args:
        settings: See :func:`read_settings`.
        workers: Of the job.
        gpus: Of each worker.

    Returns:
        Warnings.

    Raises:
        InvalidRequestError: Names the key, what it is, and what it must be.
    """
    warnings = _check_names(settings)
    for key in ("optimizer", "scheduler", "bf16", "fp16", "zero_optimization", "tensorboard"):
        if not isinstance(settings.get(key, {}), dict):
            raise _wrong(key, settings[key], "an object in braces")
    _check_batch(settings, workers)
    _check_numbers(settings, gpus)
    _check_zero(settings.get("zero_optimization", {}))
    _check_optimizer(settings.get("optimizer"))
    return warnings


def complete_settings(settings: dict[str, Any], folder: Path, job: str) -> list[str]:
    """Add what a job decides: where the curves go, and that the model can be saved whole.

    Args:
        settings: Changed in place.
        folder: Of the job.
        job: Its name.

    Returns:
        Warnings.
    """
    warnings = []
    settings.setdefault("optimizer", copy.deepcopy(DEFAULT["optimizer"]))
    if "train_batch_size" not in settings:
        settings.setdefault("train_micro_batch_size_per_gpu", 1)
        settings.setdefault("gradient_accumulation_steps", 1)
    zero = settings.setdefault("zero_optimization", {})
    if zero.get("stage") == 3:
        zero.setdefault("stage3_gather_16bit_weights_on_model_save", True)
    curves = settings.setdefault("tensorboard", {"enabled": True})
    if curves.get("enabled"):
        curves.setdefault("output_path", str(folder / TENSORBOARD))
        curves.setdefault("job_name", job)
        if find_spec("tensorboard") is None:
            curves["enabled"] = False
            warnings.append(
                "TensorBoard's curves are not written, because it is not installed: pip install "
                "tensorboard where the workers run."
            )
    return warnings


def _check_names(settings: dict[str, Any]) -> list[str]:
    warnings = []
    for key in settings:
        if key in _OTHER_LOOPS:
            raise InvalidRequestError(
                f"deepspeedConfig has {key!r}, which this training doesn't do; leave it out."
            )
        if key in _KNOWN:
            continue
        close = get_close_matches(key, _KNOWN, n=1, cutoff=0.75)
        if close:
            raise InvalidRequestError(
                f"deepspeedConfig has no key {key!r}; did you mean {close[0]!r}?"
            )
        warnings.append(
            f"DeepSpeed doesn't know the key {key!r} of deepspeedConfig and ignores it."
        )
    return warnings


def _check_batch(settings: dict[str, Any], workers: int) -> None:
    for key in _COUNTS:
        value = settings.get(key, 1)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise _wrong(key, value, "a whole number of at least 1")
    if "train_batch_size" not in settings:
        return
    whole = settings["train_batch_size"]
    micro = settings.get("train_micro_batch_size_per_gpu")
    steps = settings.get("gradient_accumulation_steps")
    product = (micro or 1) * (steps or 1) * workers
    if whole % product or (micro and steps and whole != product):
        raise InvalidRequestError(
            f"deepspeedConfig.train_batch_size is {whole}, but train_micro_batch_size_per_gpu "
            f"({micro or 1}) times gradient_accumulation_steps ({steps or 1}) times {workers} "
            f"workers is {product}; leave train_batch_size out."
        )


def _check_numbers(settings: dict[str, Any], gpus: float) -> None:
    half = settings.get("fp16", {}).get("enabled", False)
    if half and settings.get("bf16", {}).get("enabled", False):
        raise InvalidRequestError(
            "deepspeedConfig enables both fp16 and bf16; leave one of them out."
        )
    if half and not gpus:
        raise InvalidRequestError(
            "deepspeedConfig enables fp16, which processors can't train in; use bf16, or give "
            "each worker a GPU."
        )
    clipping = settings.get("gradient_clipping", 0)
    if not _is_number(clipping) or clipping < 0:
        raise _wrong("gradient_clipping", clipping, "a number of at least 0")


def _check_zero(zero: dict[str, Any]) -> None:
    stage = zero.get("stage", 0)
    if isinstance(stage, bool) or stage not in (0, 1, 2, 3):
        raise _wrong("zero_optimization.stage", stage, "0, 1, 2 or 3")
    for key, least in (("offload_param", 3), ("offload_optimizer", 1)):
        offload = zero.get(key)
        if offload is None:
            continue
        place = f"zero_optimization.{key}"
        if not isinstance(offload, dict):
            raise _wrong(place, offload, "an object in braces")
        device = offload.get("device", "none")
        if device not in _DEVICES:
            raise _wrong(f"{place}.device", device, f"one of {', '.join(_DEVICES)}")
        if device != "none" and stage < least:
            raise InvalidRequestError(
                f"deepspeedConfig.{place} needs zero_optimization.stage {least} or more; it is "
                f"{stage}."
            )
        if device == "nvme" and not offload.get("nvme_path"):
            raise InvalidRequestError(
                f"deepspeedConfig.{place}.device is nvme, but its nvme_path is missing: name a "
                "folder on the disk."
            )


def _check_optimizer(optimizer: dict[str, Any] | None) -> None:
    if optimizer is None:
        return
    if not isinstance(optimizer.get("type"), str):
        raise _wrong("optimizer.type", optimizer.get("type"), "a name, such as AdamW")
    params = optimizer.get("params", {})
    if not isinstance(params, dict):
        raise _wrong("optimizer.params", params, "an object in braces")
    rate = params.get("lr", 1e-3)
    if not _is_number(rate) or rate < 0:
        raise _wrong("optimizer.params.lr", rate, "a number of at least 0")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrong(place: str, value: Any, accepted: str) -> InvalidRequestError:
    return InvalidRequestError(f"deepspeedConfig.{place} is {value!r}; it must be {accepted}.")
