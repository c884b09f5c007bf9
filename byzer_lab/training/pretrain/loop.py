"""One worker of a pretraining: its steps, its checkpoints, its end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F

from byzer_lab.jobs import JobReport
from byzer_lab.training.channel import Channel
from byzer_lab.training.memory import gpu_mb, resident_mb
from byzer_lab.training.pretrain.keeping import Keeper
from byzer_lab.training.pretrain.progress import Progress
from byzer_lab.training.pretrain.runtime import (
    Place,
    dtype_of,
    fit_to_machine,
    join,
    out_of_memory,
    start,
)
from byzer_lab.training.pretrain.schedule import Schedule
from byzer_lab.training.pretrain.streams import DATA, find_streams

_IGNORED = -100
_VISIBLE = 1e-5  # a weight that moves by less stays the same in 16 bits, mostly


def run_rank(config: dict[str, Any], channel: Channel) -> dict[str, Any]:
    """Train, from the newest whole checkpoint where there is one.

    Args:
        config: What :func:`byzer_lab.training.pretrain.training.run` decided: ``name``,
            ``folder``, ``model_path``, ``tokenizer_path``, ``settings`` (DeepSpeed's) and
            ``parameters`` (the job's).
        channel: Rank 0's line to the job.

    Returns:
        ``steps``, ``stopped``, ``train_loss``, ``train_runtime`` (seconds spent on steps) and
        ``tokens``.

    Raises:
        InvalidRequestError: DeepSpeed refuses the settings, or the checkpoint is of other workers.
        EngineError: The memory is too small, or the disk is full.
    """
    parameters = config["parameters"]
    place = join(interface_by_address=parameters["setup_nccl_socket_ifname_by_ip"])
    torch.manual_seed(parameters["seed"] + place.rank)
    warnings = fit_to_machine(config["settings"], place)
    channel.report(JobReport(phase="loading the model", warnings=warnings))
    engine = start(
        config["model_path"],
        config["settings"],
        trust_remote_code=parameters["trust_remote_code"],
        gradient_checkpointing=parameters["gradient_checkpointing"],
    )
    try:
        return _Worker(config, channel, place, engine).run()
    except torch.OutOfMemoryError as error:
        raise out_of_memory(error) from error


class _Meter:
    """What was done since it was last told.

    Attributes:
        told: Steps done then.
        began: When that was, or when the steps after it began.
        loss: This rank's sum of the loss.
        tokens: Predicted on all ranks.
    """

    def __init__(self, told: int, device: Any) -> None:
        self.told = told
        self.began = time.monotonic()
        self.loss = torch.zeros((), dtype=torch.float64, device=device)
        self.tokens = 0


class _Worker:
    """The training on one rank."""

    def __init__(self, config: dict[str, Any], channel: Channel, place: Place, engine: Any) -> None:
        self._config = config
        self._parameters: dict[str, Any] = config["parameters"]
        self._channel = channel
        self._place = place
        self._engine = engine
        streams = find_streams(Path(config["folder"]) / DATA)
        assert streams is not None, "the job writes them before it starts its workers"
        self._tokens = streams.open(place.rank)
        self._schedule = Schedule(
            streams.tokens,
            self._parameters["max_length"],
            engine.train_micro_batch_size_per_gpu(),
            engine.gradient_accumulation_steps(),
            self._parameters["seed"],
            self._parameters["shuffle"],
        )
        self._per_epoch = self._parameters["steps_per_epoch"] or self._schedule.steps_per_pass
        self._total = self._parameters["epoches"] * self._per_epoch
        self._keeper = Keeper(config, place, engine, self._schedule)
        self._saved_at = 0

    def run(self) -> dict[str, Any]:
        """All steps that are left, then the model's folder."""
        done, totals = self._keeper.resume()
        progress = Progress(
            self._channel,
            Path(self._config["folder"]),
            self._total,
            self._per_epoch,
            done,
            self._place.rank == 0,
            totals,
        )
        self._saved_at = done
        self._warn_of_rate()
        stopped = False
        meter = _Meter(done, self._place.device)
        while done < self._total:
            wanted, stopped = self._agree(done)
            if stopped:
                break
            meter.loss += self._step(done, wanted)
            meter.tokens += wanted
            done += 1
            if done % self._parameters["logging_steps"] == 0 or self._due(done):
                self._tell(done, meter, progress)
            if self._due(done):
                self._save(done, progress)
                meter.began = time.monotonic()
        if meter.told < done:
            self._tell(done, meter, progress)
        if stopped and self._saved_at < done:
            self._save(done, progress)
        result = {
            "steps": done,
            "total_steps": self._total,
            "stopped": stopped,
            "tokens": totals.tokens,
            "train_loss": totals.loss / max(1, totals.tokens),
            "train_runtime": totals.seconds,
        }
        if self._config["whole"]:
            self._channel.report(JobReport(phase="saving the model"))
            self._keeper.finish(result)
        return result

    def _warn_of_rate(self) -> None:
        """The rate of Byzer-LLM's README is so small that 16 bits show next to nothing of it."""
        rate = self._engine.get_lr()[0]
        farthest = rate * self._total
        half = dtype_of(self._config["settings"]) is not torch.float32
        if half and farthest < _VISIBLE and self._engine.lr_scheduler is None:
            sentence = (
                f"The learning rate is {rate:g}: in {self._total} steps no weight moves by much "
                f"more than {farthest:.2g}, which 16-bit numbers hardly show. Raise lr in "
                "deepspeedConfig.optimizer.params, to 1e-5 for example."
            )
            self._channel.report(JobReport(warnings=[sentence]))

    def _agree(self, step: int) -> tuple[int, bool]:
        """How many tokens all ranks predict in a step, and whether one was asked to stop."""
        blocks = [block for part in self._schedule.step(step, self._place.rank) for block in part]
        spans = [self._schedule.span(block) for block in blocks]
        own = sum(min(end, len(self._tokens)) - begin - 1 for begin, end in spans)
        told = torch.tensor([own, int(self._channel.stop_requested)], device=self._place.device)
        dist.all_reduce(told)
        return int(told[0]), bool(told[1])

    def _step(self, step: int, wanted: int) -> Any:
        """One step of the optimizer; returns this rank's sum of the loss."""
        parts = self._schedule.step(step, self._place.rank)
        sum_of_loss = torch.zeros((), dtype=torch.float64, device=self._place.device)
        # DeepSpeed takes the mean over ranks and parts; every token shall count the same.
        scale = self._place.world * len(parts) / wanted
        for blocks in parts:
            inputs, targets = self._batch(blocks)
            logits = self._engine(input_ids=inputs).logits
            loss = F.cross_entropy(
                logits.float().flatten(0, 1),
                targets.flatten(),
                ignore_index=_IGNORED,
                reduction="sum",
            )
            self._engine.backward(loss * scale)
            self._engine.step()
            sum_of_loss += loss.detach()
        return sum_of_loss

    def _tell(self, done: int, meter: _Meter, progress: Progress) -> None:
        """Sum over all ranks what was done since the last time, and tell it."""
        own = torch.tensor([resident_mb(), gpu_mb()], dtype=torch.float64, device=meter.loss.device)
        both = torch.cat([meter.loss.view(1), own])
        dist.all_reduce(both)
        loss, host, gpu = both.tolist()
        now = time.monotonic()
        steps, seconds = done - meter.told, now - meter.began
        progress.step(done, loss, meter.tokens, seconds, steps, (host, gpu), self._engine)
        meter.loss.zero_()
        meter.tokens, meter.began, meter.told = 0, now, done

    def _batch(self, blocks: list[int]) -> tuple[Any, Any]:
        """Inputs and what they shall predict; a rank without blocks computes on nothing."""
        cut = [self._tokens[slice(*self._schedule.span(block))] for block in blocks]
        width = max((len(one) - 1 for one in cut), default=1)
        inputs = torch.zeros((max(1, len(cut)), width), dtype=torch.long)
        targets = torch.full_like(inputs, _IGNORED)
        for row, one in enumerate(cut):
            known = torch.from_numpy(one.astype("int64"))
            inputs[row, : len(known) - 1] = known[:-1]
            targets[row, : len(known) - 1] = known[1:]
        return inputs.to(self._place.device), targets.to(self._place.device)

    def _due(self, done: int) -> bool:
        every = self._parameters["save_steps"]
        return done % self._per_epoch == 0 or (every is not None and done % every == 0)

    def _save(self, done: int, progress: Progress) -> None:
        epoch, rest = divmod(done, self._per_epoch)
        self._keeper.save(f"Step-{done}" if rest else f"Epoch-{epoch}", done, progress.totals)
        self._saved_at = done
        if self._place.rank == 0:
            progress.saved()
