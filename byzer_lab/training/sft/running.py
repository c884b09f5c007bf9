"""What finetuning and preference tuning have in common around the library's trainer."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
import torch
from datasets import disable_progress_bars
from transformers import PrinterCallback
from transformers.utils import logging

from byzer_lab.engines.precision import set_threads
from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError
from byzer_lab.jobs import JobEnd, JobReport, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.data.encoding import Shape
from byzer_lab.training.data.preparing import Prepared, Wanted, prepare
from byzer_lab.training.distributed import Loop, run_on_workers
from byzer_lab.training.parameters.target import FINAL, made_by
from byzer_lab.training.parameters.trainer import Training
from byzer_lab.training.reporting import Reporter, print_metrics
from byzer_lab.training.saving import disk_fault, explained
from byzer_lab.training.sft.arguments import LOGS, MODELS, Plan
from byzer_lab.training.sft.checkpoints import newest, remove_broken, step_of
from byzer_lab.training.sft.final import save_final
from byzer_lab.training.sft.loading import Base, read_base


def run_job(spec: JobSpec, parameters: Training, channel: Channel, loop: Loop) -> JobEnd:
    """Prepare the data and train on the job's workers.

    Args:
        spec: The job.
        parameters: Its own.
        channel: Told how it goes.
        loop: Trains in each process; it is told ``spec`` and ``prepared``, and returns
            :func:`train`'s figures.

    Returns:
        ``result`` has the run's figures; ``artefacts`` the adapter or the model.
    """
    folder = _folder(spec)
    target = folder / FINAL
    done = made_by(spec, target)
    if done is None or done.get("state") != "completed":
        set_up_process()
        channel.report(JobReport(state="preparing", phase="reading the model"))
        base = read_base(spec, parameters)
        prepared = _prepare(spec, parameters, base, folder, channel)
        # Each process of a group works in a folder of its own.
        spec = msgspec.structs.replace(spec, folder=str(folder), model_path=base.folder)
        config = {"spec": msgspec.to_builtins(spec), "prepared": asdict(prepared)}
        channel.report(JobReport(phase="loading the model"))
        outcome = run_on_workers(spec, loop, config, channel)
        done = {"state": outcome.pop("state"), "method": base.method, "result": outcome}
    print(
        f"[{spec.name}] Train Actor is already finished. You can check the model in: {target}",
        flush=True,
    )
    what = "model" if done["method"] == "full" else "adapter"
    return JobEnd(state=done["state"], result=done["result"], artefacts={what: str(target)})


def set_up_process() -> None:
    """Take a share of the processor, and leave out bars of progress, which a log can't show."""
    set_threads(None)
    disable_progress_bars()
    logging.disable_progress_bar()


def read_config(config: dict[str, Any]) -> tuple[JobSpec, Prepared]:
    """What a loop is told."""
    return msgspec.convert(config["spec"], JobSpec), Prepared(**config["prepared"])


def tell_plan(trainer: Any, spec: JobSpec, plan: Plan, channel: Channel, kind: str) -> None:
    """Print what the trainer was told, and warn of what was changed."""
    if not trainer.is_world_process_zero():
        return
    shown = {name: value for name, value in plan.arguments.items() if value is not None}
    print(f"[{spec.name}] {kind} Config: {shown}")
    for sentence in plan.warnings:
        print(f"[{spec.name}] {sentence}")
    channel.report(JobReport(warnings=plan.warnings))


def train(
    trainer: Any,
    spec: JobSpec,
    parameters: Training,
    prepared: Prepared,
    base: Base,
    quantization: dict[str, Any] | None,
    channel: Channel,
) -> dict[str, Any]:
    """Run a trainer from the newest checkpoint to the end, and save what it has learned.

    Returns:
        The run's figures, and ``state``: whether it was stopped.

    Raises:
        ByzerLabError: It can't go on; the earlier checkpoints are still there.
    """
    folder = Path(spec.folder)
    reporter = Reporter(folder, channel)
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(reporter)
    trainer.keep = parameters.save_total_limit
    models = folder / MODELS
    if trainer.args.should_save:
        remove_broken(models)
    begin = newest(models) or trainer.args.resume_from_checkpoint
    if begin is not None:
        print(f"[{spec.name}] goes on from {begin}")
    began = time.monotonic()
    try:
        trainer.train(resume_from_checkpoint=begin)
        state = "stopped" if reporter.stopped else "completed"
        took = time.monotonic() - began
        result = _figures(trainer, prepared, took, step_of(begin))
        if trainer.is_world_process_zero():
            print(_log_line(result))
            print_metrics(result)
            print(f"[{spec.name}] total tokens: {result['tokens']}")
        save_final(trainer, spec, parameters, base, quantization, result, state=state)
    except ByzerLabError:
        raise
    except Exception as error:
        if trainer.args.should_save:
            remove_broken(models)
        raise _in_words(error, models) from error
    return {**result, "state": state}


def _folder(spec: JobSpec) -> Path:
    if not spec.folder:
        raise InvalidRequestError("The job has no folder.")
    folder = Path(spec.folder).absolute()
    try:
        for part in (folder / MODELS, folder / LOGS):
            part.mkdir(parents=True, exist_ok=True)
        probe = folder / MODELS / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise explained(folder, error) from error
    return folder


def _prepare(
    spec: JobSpec, parameters: Training, base: Base, folder: Path, channel: Channel
) -> Prepared:
    def tell(phase: str) -> None:
        channel.report(JobReport(phase=phase))

    wanted = Wanted(
        data_path=spec.data_path,
        shape=Shape(
            max_length=base.window,
            keep_end=parameters.truncation_mode == "keep_end",
            plain_prompts=parameters.plain_prompts,
        ),
        preferences=spec.kind == "dpo",
        eval_data_path=parameters.eval_data_path or "",
        eval_ratio=parameters.eval_ratio,
        skip=parameters.on_bad_row == "skip",
        max_bad_ratio=parameters.max_bad_ratio,
    )
    try:
        prepared = prepare(folder, wanted, base.tokenizer, tell)
    except OSError as error:
        raise explained(folder, error) from error
    warnings = list(prepared.warnings)
    if base.plain_template:
        warnings.append(
            "The model has no chat template: rows are written as 'User: ...' and 'Assistant: ...', "
            "and that template is saved with the tuned model's tokenizer."
        )
    if base.window < parameters.max_seq_length:
        warnings.append(
            f"max_seq_length is {parameters.max_seq_length}, but the model's window is "
            f"{base.window} tokens: that is taken."
        )
    channel.report(
        JobReport(
            warnings=warnings,
            artefacts={"data_report": prepared.report, "tensorboard": str(folder / LOGS)},
        )
    )
    for sentence in warnings:
        print(f"[{spec.name}] {sentence}")
    return prepared


def _figures(trainer: Any, prepared: Prepared, took: float, begun: int) -> dict[str, Any]:
    """Of the whole run; what is per second, of this attempt, which began after that step."""
    history = [entry for entry in trainer.state.log_history if "loss" in entry]
    total, before = 0.0, 0
    for entry in history:
        total += entry["loss"] * (entry["step"] - before)
        before = entry["step"]
    step, epoch = trainer.state.global_step, trainer.state.epoch or 0.0
    done = step - begun
    evaluated = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    figures = {
        "epoch": epoch,
        "train_loss": total / max(1, before),
        "train_runtime": took,
        "train_samples_per_second": prepared.rows * epoch * done / max(1, step) / took,
        "train_steps_per_second": done / took,
        "steps": step,
        "tokens": int(trainer.state.num_input_tokens_seen),
    }
    if history:
        figures["final_loss"] = history[-1]["loss"]
    if evaluated:
        figures["eval_loss"] = evaluated[-1]["eval_loss"]
    if history and "rewards/accuracies" in history[-1]:
        figures["rewards_accuracy"] = history[-1]["rewards/accuracies"]
        figures["rewards_margin"] = history[-1]["rewards/margins"]
    return figures


def _log_line(result: dict[str, Any]) -> str:
    names = (
        *("train_runtime", "train_samples_per_second", "train_steps_per_second"),
        *("train_loss", "epoch"),
    )
    return str({name: round(result[name], 4) for name in names})


def _in_words(error: Exception, folder: Path) -> Exception:
    """A trainer's exception, where it can be told better; else itself."""
    if isinstance(error, torch.OutOfMemoryError):
        return EngineError(
            "The GPU's memory is full. Lower per_device_train_batch_size or max_seq_length, set "
            "gradient_checkpointing to true, or take the method qlora."
        )
    fault = disk_fault(error)
    return error if fault is None else explained(folder, fault)
