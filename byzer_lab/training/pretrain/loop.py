"""One worker of a pretraining: its steps, its checkpoints, its end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F

from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.jobs import JobReport
from byzer_lab.training.channel import Channel
from byzer_lab.training.memory import gpu_mb, resident_mb
from byzer_lab.training.pretrain import checkpoints
from byzer_lab.training.pretrain.progress import Progress, Totals
from byzer_lab.training.pretrain.runtime import (
    Place,
    dtype_of,
    fit_to_machine,
    gathered,
    join,
    out_of_memory,
    start,
)
from byzer_lab.training.pretrain.schedule import Schedule
from byzer_lab.training.pretrain.streams import DATA, find_streams
from byzer_lab.training.saving import explained, whole_folder
from byzer_lab.training.tokenizers import read_tokenizer

_IGNORED = -100
_VISIBLE = 1e-5  # a weight that moves by less stays the same in 16 bits, mostly
FINAL = "final"


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


class _Worker:
    """The training on one rank."""

    def __init__(self, config: dict[str, Any], channel: Channel, place: Place, engine: Any) -> None:
        self._config = config
        self._parameters: dict[str, Any] = config["parameters"]
        self._channel = channel
        self._place = place
        self._engine = engine
        self._models = Path(config["folder"]) / checkpoints.MODELS
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
        self._saved_at = 0

    def run(self) -> dict[str, Any]:
        """All steps that are left, then the model's folder."""
        done, totals = self._resume()
        progress = Progress(
            self._channel, Path(self._config["folder"]), self._total, self._per_epoch, totals
        )
        self._saved_at = done
        self._warn_of_rate()
        stopped = False
        loss = torch.zeros((), dtype=torch.float64, device=self._place.device)
        tokens, began, told = 0, time.monotonic(), done
        while done < self._total:
            wanted, stopped = self._agree(done)
            if stopped:
                break
            loss += self._step(done, wanted)
            tokens += wanted
            done += 1
            last = done == self._total or self._due(done)
            if done % self._parameters["logging_steps"] == 0 or last:
                figures = self._summed(loss)
                now = time.monotonic()
                progress.step(
                    done, figures[0], tokens, now - began, done - told, figures[1:], self._engine
                )
                loss.zero_()
                tokens, began, told = 0, now, done
            if self._due(done):
                self._save(done, progress)
                began = time.monotonic()
        if stopped and self._saved_at < done:
            self._save(done, progress)
        self._finish()
        return {
            "steps": done,
            "total_steps": self._total,
            "stopped": stopped,
            "tokens": totals.tokens,
            "train_loss": totals.loss / max(1, totals.tokens),
            "train_runtime": totals.seconds,
        }

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

    def _summed(self, loss: Any) -> tuple[float, float, float]:
        """Over all ranks: the loss, and MiB of the host's and of the GPUs' memory."""
        own = torch.tensor([resident_mb(), gpu_mb()], dtype=torch.float64, device=loss.device)
        both = torch.cat([loss.view(1), own])
        dist.all_reduce(both)
        whole, host, gpu = both.tolist()
        return whole, host, gpu

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

    def _resume(self) -> tuple[int, Totals]:
        """Load the newest whole checkpoint; returns the steps done and their totals."""
        if self._place.rank == 0:
            checkpoints.remove_broken(self._models)
        dist.barrier()
        saved = checkpoints.whole_checkpoints(self._models)
        if not saved:
            return 0, Totals()
        newest = saved[-1]
        self._refuse_other(newest)
        self._engine.load_checkpoint(str(self._models), tag=newest.folder.name)
        states = torch.load(newest.folder / _random_file(self._place.rank), weights_only=True)
        torch.set_rng_state(states["cpu"])
        if "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"])
        if self._place.rank == 0:
            print(f"[{self._config['name']}] Resuming from {newest.folder}, step {newest.step}")
        return newest.step, Totals(**newest.state["totals"])

    def _refuse_other(self, saved: checkpoints.Saved) -> None:
        for name, here in self._shape().items():
            there = saved.state["shape"][name]
            if there != here:
                raise InvalidRequestError(
                    f"The checkpoint {str(saved.folder)!r} was made with {name} {there}, and the "
                    f"job has {here}; resume it with {there}, or begin a new job."
                )

    def _shape(self) -> dict[str, Any]:
        """What must be the same for the steps to be the same."""
        schedule = self._schedule
        return {
            "workers": self._place.world,
            "max_length": schedule.length,
            "tokens": sum(schedule.tokens),
            "train_micro_batch_size_per_gpu": schedule.micro,
            "gradient_accumulation_steps": schedule.accumulation,
        }

    def _save(self, done: int, progress: Progress) -> None:
        epoch, rest = divmod(done, self._per_epoch)
        tag = f"Step-{done}" if rest else f"Epoch-{epoch}"
        target = self._models / tag
        if self._place.rank == 0:
            checkpoints.unmark(target)
        dist.barrier()
        try:
            self._engine.save_checkpoint(str(self._models), tag=tag)
            states = {"cpu": torch.get_rng_state()}
            if self._place.device.type == "cuda":
                states["cuda"] = torch.cuda.get_rng_state()
            torch.save(states, target / _random_file(self._place.rank))
            dist.barrier()
            if self._place.rank == 0:
                state = {"step": done, "shape": self._shape(), "totals": vars(progress.totals)}
                checkpoints.mark(target, state)
                checkpoints.keep_newest(self._models, self._parameters["save_total_limit"])
        except Exception as error:
            raise _of_saving(target, error) from error
        self._saved_at = done
        if self._place.rank == 0:
            progress.saved()

    def _finish(self) -> None:
        """Save the model as a folder that can be deployed."""
        if not self._config["whole"]:
            return
        self._channel.report(JobReport(phase="saving the model"))
        weights = gathered(self._engine)
        if weights is not None:
            model = self._engine.module
            model.config.use_cache = True
            tokenizer = read_tokenizer(
                self._config["tokenizer_path"],
                trust_remote_code=self._parameters["trust_remote_code"],
            )
            with whole_folder(self._models / FINAL, self._config["name"]) as folder:
                model.save_pretrained(folder, state_dict=weights)
                tokenizer.save(folder)
        dist.barrier()


def _random_file(rank: int) -> str:
    return f"random-{rank}.pt"


def _of_saving(target: Path, error: Exception) -> Exception:
    """A disk's error in one sentence; a lost rank's as it is, because another try mends it."""
    found = explained(target, error)
    lost = isinstance(error, RuntimeError) and "disk is full" not in found.message
    return error if lost or isinstance(error, ByzerLabError) else found
