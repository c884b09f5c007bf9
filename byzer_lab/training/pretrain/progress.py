"""What is told of each step."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from byzer_lab.jobs import JobPoint, JobReport
from byzer_lab.training.channel import Channel
from byzer_lab.training.pretrain.checkpoints import MODELS, as_told

_METRICS = "metrics.jsonl"


@dataclass
class Totals:
    """Of the whole training, over all its attempts; checkpoints keep them.

    Attributes:
        tokens: Predicted.
        loss: Sum over those, in nats.
        seconds: Spent on steps.
    """

    tokens: int = 0
    loss: float = 0.0
    seconds: float = 0.0


@dataclass
class Progress:
    """Counts on every rank; the leader tells the job how far it is.

    Attributes:
        channel: The job's.
        folder: Of the job.
        total: Steps in all.
        per_epoch: Steps of one epoch.
        done: Steps done before this attempt.
        leader: It is rank 0.
        totals: What was done before this attempt and in it.
    """

    channel: Channel
    folder: Path
    total: int
    per_epoch: int
    done: int
    leader: bool
    totals: Totals = field(default_factory=Totals)
    _before: int = 0
    _steps: int = 0
    _spent: float = 0.0

    def __post_init__(self) -> None:
        self._before = self.totals.tokens
        if self.leader:
            self._forget_after(self.done)

    def step(
        self,
        step: int,
        loss: float,
        tokens: int,
        seconds: float,
        steps: int,
        memory: tuple[float, float],
        engine: Any,
    ) -> None:
        """Some steps were done.

        Args:
            step: Steps done in all.
            loss: Sum over the tokens.
            tokens: Predicted in these steps, on all ranks.
            seconds: These steps took.
            steps: How many there were.
            memory: MiB that all ranks have in use, of the host's and of their GPUs'.
            engine: DeepSpeed's.
        """
        self.totals.tokens += tokens
        self.totals.loss += loss
        self.totals.seconds += seconds
        self._steps += steps
        self._spent += seconds
        if not self.leader:
            return
        norm = engine.get_global_grad_norm()
        point = JobPoint(
            step=step,
            time=time.time(),
            epoch=step / self.per_epoch,
            loss=loss / max(1, tokens),
            learning_rate=engine.get_lr()[0],
            grad_norm=None if norm is None else float(norm),
            tokens_per_second=tokens / seconds if seconds else None,
        )
        self._keep(point)
        self.channel.report(
            JobReport(
                state="running",
                phase="training",
                progress=step / self.total,
                step=step,
                total_steps=self.total,
                epoch=point.epoch,
                tokens=self.totals.tokens - self._before,
                memory_mb=round(memory[0], 1),
                gpu_memory_mb=round(memory[1], 1),
                eta_s=(self.total - step) * self._spent / self._steps,
                points=[point],
            )
        )

    def saved(self) -> None:
        """A checkpoint was saved."""
        found = as_told(self.folder / MODELS)
        newest = {"checkpoint": found[-1].path} if found else {}
        self.channel.report(JobReport(checkpoints=found, artefacts=newest))

    def _forget_after(self, step: int) -> None:
        """Leave out the points of steps that a lost attempt did and this one does again."""
        file = self.folder / _METRICS
        with contextlib.suppress(OSError, ValueError):
            lines = file.read_bytes().splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            if len(kept) < len(lines):
                file.write_bytes(b"".join(kept))

    def _keep(self, point: JobPoint) -> None:
        # The curve is kept by the registry; a full disk must not end the training here.
        with contextlib.suppress(OSError), (self.folder / _METRICS).open("ab") as file:
            line = {k: v for k, v in msgspec.to_builtins(point).items() if v is not None}
            file.write(json.dumps(line).encode() + b"\n")
            file.flush()
