"""What the library's trainer is told: Byzer-LLM's defaults, mended where they would harm."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from byzer_lab.errors import InvalidRequestError, describe
from byzer_lab.jobs import JobSpec
from byzer_lab.training.parameters.trainer import Told, Training
from byzer_lab.training.sft.loading import Base

MODELS = "finetune_model"
"""Of a job's folder: its checkpoints."""
LOGS = "logging"
"""Of a job's folder: TensorBoard's files."""

_ROWS_PER_STEP = 16
_SMALL = 8.0  # times narrower than a 7B model
_FEW_STEPS = 100
_MOST_EPOCHS = 40
_MOST_FASTER = 10.0  # times the learning rate of a 7B model
_POINTS = 200
_DEFAULTS: dict[str, Any] = {
    "lr_scheduler_type": "cosine",
    "weight_decay": 0.0,
    "max_grad_norm": 0.3,
    "seed": 42,
    "gradient_checkpointing": False,
    "dataloader_num_workers": 0,
    "save_strategy": "steps",
    "report_to": ["tensorboard"],
    "remove_unused_columns": False,
    "disable_tqdm": True,
    "include_num_input_tokens_seen": "non_padding",
    "logging_nan_inf_filter": False,
    "dataloader_pin_memory": torch.cuda.is_available(),
}


@dataclass
class Plan:
    """The length of a run and what its trainer is told.

    Attributes:
        arguments: By name.
        steps: Optimizer steps of the whole run.
        warnings: Sentences on what was changed.
    """

    arguments: dict[str, Any]
    steps: int
    warnings: list[str] = field(default_factory=list)


def plan_run(
    spec: JobSpec,
    parameters: Training,
    told: Told,
    base: Base,
    rows: int,
    *,
    held_out: bool,
    pace: float = 1.0,
) -> Plan:
    """Fill in what the user leaves open, by the number of rows and the model's size.

    Args:
        spec: The job.
        parameters: Its own.
        told: The trainer's.
        base: The model.
        rows: How many examples there are to train on.
        held_out: There are rows to evaluate on.
        pace: Share of the usual learning rate that is the default.
    """
    batch, accumulation = _batch(parameters, base, rows, spec.workers)
    per_epoch = max(1, math.ceil(math.ceil(rows / (batch * spec.workers)) / accumulation))
    epochs = _epochs(parameters, per_epoch)
    steps = parameters.max_steps or max(1, math.ceil(per_epoch * epochs))
    plan = Plan({**_DEFAULTS, **told.arguments}, steps, list(told.warnings))
    if parameters.max_steps is None and parameters.num_train_epochs is None and epochs > 1:
        plan.warnings.append(
            f"{rows} rows are few: they are trained on {epochs:g} times. Set num_train_epochs for "
            "another number."
        )
    log_every = _steps(parameters.logging_steps, steps, max(1, min(300, steps // _POINTS)))
    save_every = _steps(parameters.save_steps, steps, _save_every(base, steps))
    if log_every > steps:
        plan.warnings.append(
            f"logging_steps is {log_every}, more than the run's {steps} steps; each step is logged."
        )
        log_every = 1
    plan.arguments |= {
        "output_dir": str(Path(spec.folder) / MODELS),
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "num_train_epochs": epochs,
        "max_steps": parameters.max_steps or -1,
        "learning_rate": parameters.learning_rate or pace * _learning_rate(base),
        "warmup_steps": _warmup(parameters, plan),
        "logging_steps": log_every,
        "save_steps": save_every,
        "save_total_limit": None,  # the job itself removes older ones, once the new one is whole
        "max_length": base.window,
        **_precision(told, base, plan),
        "optim": _optimizer(told, plan),
    }
    plan.arguments.setdefault(
        "per_device_eval_batch_size", max(batch, 8 if base.narrow >= _SMALL else 1)
    )
    if held_out and "eval_strategy" not in told.given:
        plan.arguments["eval_strategy"] = "steps"
        plan.arguments.setdefault("eval_steps", max(1, math.ceil(steps / 10)))
    elif not held_out and str(plan.arguments.get("eval_strategy", "no")) != "no":
        plan.warnings.append("eval_strategy is not taken: no rows are held out (set eval_ratio).")
        plan.arguments["eval_strategy"] = "no"
    return plan


def build(config: Callable[..., Any], plan: Plan, spec: JobSpec) -> Any:
    """The library's configuration.

    Args:
        config: Its class.
        plan: See :func:`plan_run`.
        spec: The job.

    Raises:
        InvalidRequestError: The library refuses a value.
    """
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(Path(spec.folder) / LOGS)
    try:
        built = config(**plan.arguments)
    except (ValueError, TypeError) as error:
        words = describe(error)
        raise InvalidRequestError(f"The trainer refuses its arguments: {words}") from error
    if built.n_gpu > 1:
        built._n_gpu = 1  # the model lies over them; copies of it on each would be another way
    return built


def _batch(parameters: Training, base: Base, rows: int, workers: int) -> tuple[int, int]:
    """Rows of one batch, and batches of one step, on each of the workers.

    Args:
        parameters: The job's.
        base: The model.
        rows: There are.
        workers: That train.
    """
    batch = parameters.per_device_train_batch_size
    accumulation = parameters.gradient_accumulation_steps
    most = max(1, _ROWS_PER_STEP // workers)
    if batch is not None:
        return batch, accumulation or max(1, most // batch)
    small = base.narrow >= _SMALL
    if accumulation is not None:
        return (max(1, most // accumulation) if small else 1), accumulation
    # As many rows in each step of an epoch: a last step with one row would weigh as much.
    share = math.ceil(rows / workers)
    per_step = math.ceil(share / math.ceil(share / most))
    return (per_step, 1) if small else (1, per_step)


def _epochs(parameters: Training, per_epoch: int) -> float:
    if parameters.num_train_epochs is not None:
        return parameters.num_train_epochs
    return float(min(_MOST_EPOCHS, max(1, math.ceil(_FEW_STEPS / per_epoch))))


def _learning_rate(base: Base) -> float:
    """Narrower models bear larger steps, in the proportion of their width."""
    usual = 2e-5 if base.method == "full" else 2e-4
    return usual * min(_MOST_FASTER, base.narrow)


def _steps(wanted: float | None, steps: int, default: int) -> int:
    """A number of steps, which may be given as a share of all."""
    if wanted is None:
        return default
    return max(1, math.ceil(wanted * steps) if wanted < 1 else round(wanted))


def _save_every(base: Base, steps: int) -> int:
    """Whole models take long to save."""
    return max(1, min(500, math.ceil(steps / (4 if base.method == "full" else 10))))


def _warmup(parameters: Training, plan: Plan) -> int:
    wanted = parameters.warmup_steps
    if wanted is None:
        return math.ceil(0.03 * plan.steps)
    found = math.ceil(wanted * plan.steps) if wanted < 1 else round(wanted)
    if found >= plan.steps:
        shorter = math.ceil(0.1 * plan.steps)
        plan.warnings.append(
            f"warmup_steps is {found}, but the run has {plan.steps} steps, so the learning rate "
            f"would never be reached: {shorter} are taken."
        )
        return shorter
    return found


def _precision(told: Told, base: Base, plan: Plan) -> dict[str, Any]:
    asked = {name: told.arguments.get(name) for name in ("fp16", "bf16")}
    if not torch.cuda.is_available():
        if asked["fp16"]:
            plan.warnings.append("fp16 is for GPUs; on the processor float32 is computed.")
        return {"use_cpu": True, "fp16": False, "bf16": bool(asked["bf16"])}
    if asked["fp16"] is None and asked["bf16"] is None:
        can = torch.cuda.is_bf16_supported()
        return {"bf16": can, "fp16": not can}
    return {"fp16": bool(asked["fp16"]), "bf16": bool(asked["bf16"])}


def _optimizer(told: Told, plan: Plan) -> str:
    asked = told.arguments.get("optim")
    paged = torch.cuda.is_available() and find_spec("bitsandbytes") is not None
    if asked is None:
        return "paged_adamw_32bit" if paged else "adamw_torch"
    if ("paged" in asked or "8bit" in asked or "bnb" in asked) and not paged:
        plan.warnings.append(
            f"optim {asked} needs a GPU and bitsandbytes; adamw_torch computes the same here."
        )
        return "adamw_torch"
    return str(asked)
