"""How a run of the library's trainer is told: to the channel, to metrics.jsonl, and in the log."""

from __future__ import annotations

import json
import os
import resource
import socket
import time
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from byzer_lab.jobs import JobPoint, JobReport
from byzer_lab.training.channel import Channel
from byzer_lab.training.distributed import any_rank
from byzer_lab.training.sft.checkpoints import checkpoints_in

METRICS = "metrics.jsonl"
"""In a job's folder: every line of figures that its trainer logged."""

_EVERY_S = 0.5
_SMOOTHING = 0.1  # share of the newest step in the time of a step


class Reporter(TrainerCallback):  # type: ignore[misc]
    """Tells how a run goes, and ends it where the user wants that.

    Args:
        folder: The job's.
        channel: The job's, or the process's line to it.
    """

    def __init__(self, folder: Path, channel: Channel) -> None:
        self._folder = folder
        self._channel = channel
        self._told_at = 0.0
        self._step_at = 0.0
        self._step_s: float | None = None
        self._logged = (0.0, 0)  # when, and tokens until then
        self.stopped = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The library's call."""
        self._step_at = time.monotonic()
        self._logged = (self._step_at, int(state.num_input_tokens_seen))
        print("*** starting training ***")
        self._channel.report(
            JobReport(
                state="running",
                phase="training",
                step=state.global_step,
                total_steps=state.max_steps,
                checkpoints=checkpoints_in(Path(args.output_dir)),
                node=socket.gethostname(),
                pid=os.getpid(),
            )
        )

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The library's call. Every process decides the same about a stop."""
        now = time.monotonic()
        took, self._step_at = now - self._step_at, now
        before = self._step_s
        self._step_s = took if before is None else before + _SMOOTHING * (took - before)
        last = state.global_step >= state.max_steps
        if control.should_save:
            control.should_log = True  # so that who goes on from there misses no part of the curve
        if last:
            control.should_log = True  # whatever the interval: the end belongs to the curve
        if any_rank(self._channel.stop_requested) and not last:
            self.stopped = True
            control.should_training_stop = control.should_save = control.should_log = True
        if now - self._told_at >= _EVERY_S or last:
            self._told_at = now
            self._channel.report(self._progress(state))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """The library's call."""
        if not state.is_world_process_zero or not logs:
            return
        line = {"step": state.global_step, "time": time.time(), **logs}
        with (self._folder / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
        if "loss" not in logs and "eval_loss" not in logs:
            return
        speed = self._speed(state) if "loss" in logs else None
        point = JobPoint(
            step=state.global_step,
            time=line["time"],
            epoch=state.epoch or 0.0,
            loss=logs.get("loss"),
            eval_loss=logs.get("eval_loss"),
            learning_rate=logs.get("learning_rate"),
            grad_norm=logs.get("grad_norm"),
            tokens_per_second=speed,
        )
        report = self._progress(state)
        report.points = [point]
        self._channel.report(report)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The library's call."""
        found = checkpoints_in(Path(args.output_dir))
        newest = {"checkpoint": found[-1].path} if found else {}
        self._channel.report(JobReport(checkpoints=found, artefacts=newest))

    def _progress(self, state: Any) -> JobReport:
        left = state.max_steps - state.global_step
        return JobReport(
            step=state.global_step,
            total_steps=state.max_steps,
            progress=state.global_step / max(1, state.max_steps),
            epoch=state.epoch,
            tokens=int(state.num_input_tokens_seen),
            memory_mb=_resident_mib(),
            gpu_memory_mb=_gpu_mib(),
            eta_s=None if self._step_s is None else round(left * self._step_s, 1),
        )

    def _speed(self, state: Any) -> float | None:
        now, tokens = time.monotonic(), int(state.num_input_tokens_seen)
        (at, before), self._logged = self._logged, (now, tokens)
        return round((tokens - before) / (now - at), 1) if now > at else None


def print_metrics(metrics: dict[str, Any]) -> None:
    """The figures of a run, one a line."""
    width = max(len(name) for name in metrics)
    print("***** train metrics *****")
    for name, value in metrics.items():
        shown = f"{value:.6g}" if isinstance(value, float) else str(value)
        print(f"{name:<{width}} = {shown:>12}")


def _resident_mib() -> float:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() / 2**20
    except (OSError, ValueError):  # another system than Linux: the most there ever was
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _gpu_mib() -> float | None:
    return torch.cuda.memory_reserved() / 2**20 if torch.cuda.is_available() else None
