"""Tunes a model by pairs of a better and a worse answer."""

from __future__ import annotations

from typing import Any

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

from byzer_lab.jobs import JobEnd, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.parameters.dpo import read
from byzer_lab.training.sft.arguments import build, plan_run
from byzer_lab.training.sft.loading import adapter_of, load_weights, read_base
from byzer_lab.training.sft.running import read_config, run_job, set_up_process, tell_plan, train
from byzer_lab.training.sft.trainer import WholeCheckpoints

_PACE = 0.1  # the loss asks for more and more distance, so its steps are smaller


class Trainer(WholeCheckpoints, DPOTrainer):  # type: ignore[misc]
    """The library's, on rows that are tokens already."""

    def _prepare_dataset(self, dataset: Any, *_: Any) -> Any:
        return dataset


def run(spec: JobSpec, channel: Channel) -> JobEnd:
    """Tune.

    Args:
        spec: The job.
        channel: Told how it goes; asked whether to stop.

    Returns:
        Figures of the run; ``rewards_accuracy`` is the share of pairs whose better answer the
        tuned model prefers more than the one that it began as.

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
    rows = Dataset.from_file(prepared.train)
    held_out = Dataset.from_file(prepared.held_out) if prepared.held_out else None
    plan = plan_run(
        spec, parameters, told, base, len(rows), held_out=held_out is not None, pace=_PACE
    )
    plan.arguments["beta"] = parameters.beta
    arguments = build(DPOConfig, plan, spec)
    model, quantization = load_weights(base, parameters)
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=rows,
        eval_dataset=held_out,
        processing_class=base.tokenizer,
        peft_config=adapter_of(parameters, base.method),
    )
    tell_plan(trainer, spec, plan, channel, "DPO")
    return train(trainer, spec, parameters, prepared, base, quantization, channel)
