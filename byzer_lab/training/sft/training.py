"""Finetunes a model on answers."""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from trl import SFTConfig

from byzer_lab.jobs import JobEnd, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.data.preparing import Prepared
from byzer_lab.training.parameters.sft import Parameters, read
from byzer_lab.training.sft.arguments import build, plan_run
from byzer_lab.training.sft.loading import adapter_of, load_weights, read_base
from byzer_lab.training.sft.running import read_config, run_job, set_up_process, tell_plan, train
from byzer_lab.training.sft.trainer import Trainer

_MANY_SEQUENCES = 512  # of fewer, an epoch would have too few steps


def run(spec: JobSpec, channel: Channel) -> JobEnd:
    """Finetune.

    Args:
        spec: The job.
        channel: Told how it goes; asked whether to stop.

    Returns:
        Figures of the run, such as ``train_loss``, and the folder of the adapter or the model.

    Raises:
        InvalidRequestError: A parameter or a row is wrong.
        EngineError: The model can't be loaded, or memory or disk is full.
    """
    parameters, _ = read(spec)
    return run_job(spec, parameters, channel, loop)


def loop(config: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Train in one process; see :data:`byzer_lab.training.distributed.Loop`."""
    set_up_process()
    spec, prepared = read_config(config)
    parameters, told = read(spec)
    base = read_base(spec, parameters)
    packing, warnings = _packing(parameters, prepared, base.window)
    rows = Dataset.from_file(prepared.train)
    count = len(rows) if not packing else _packed(prepared.tokens, base.window)
    plan = plan_run(spec, parameters, told, base, count, held_out=prepared.held_out is not None)
    plan.arguments |= {
        "packing": packing,
        "dataset_kwargs": None if packing else {"skip_prepare_dataset": True},
        "shuffle_dataset": False,
    }
    plan.warnings += warnings
    arguments = build(SFTConfig, plan, spec)
    model, quantization = load_weights(base, parameters)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=Dataset.from_file(prepared.held_out) if prepared.held_out else None,
        processing_class=base.tokenizer,
        peft_config=adapter_of(parameters, base.method),
    )
    tell_plan(trainer, spec, plan, channel, "SFT")
    return train(trainer, spec, parameters, prepared, base, quantization, channel)


def _packing(parameters: Parameters, prepared: Prepared, window: int) -> tuple[bool, list[str]]:
    """Whether rows are packed, and a warning where that costs time."""
    if parameters.packing == "auto":
        many = _packed(prepared.tokens, window) >= _MANY_SEQUENCES
        return torch.cuda.is_available() and many, []
    if parameters.packing == "true" and not torch.cuda.is_available():
        return True, ["packing is set: on a processor it takes more time than it saves."]
    return parameters.packing == "true", []


def _packed(tokens: int, window: int) -> int:
    """About how many sequences the rows are packed into."""
    return max(1, -(-tokens // window))
