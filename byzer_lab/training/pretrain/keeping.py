"""What one worker keeps: checkpoints, from which it goes on, and the model in the end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.training.pretrain import checkpoints
from byzer_lab.training.pretrain.progress import Totals
from byzer_lab.training.pretrain.runtime import Place, gathered
from byzer_lab.training.pretrain.schedule import Schedule
from byzer_lab.training.saving import disk_fault, explained, whole_folder, write_manifest
from byzer_lab.training.tokenizers import read_tokenizer


class Keeper:
    """Saves and loads; every rank must call each method.

    Args:
        config: See :func:`byzer_lab.training.pretrain.loop.run_rank`.
        place: This rank's.
        engine: DeepSpeed's.
        schedule: Of the steps: a checkpoint is only good for the same one.
    """

    def __init__(
        self, config: dict[str, Any], place: Place, engine: Any, schedule: Schedule
    ) -> None:
        self._config = config
        self._place = place
        self._engine = engine
        self._schedule = schedule
        self._models = Path(config["folder"]) / checkpoints.MODELS

    def resume(self) -> tuple[int, Totals]:
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

    def save(self, tag: str, step: int, totals: Totals) -> None:
        """Save a checkpoint.

        Args:
            tag: Its name.
            step: Steps done.
            totals: Of those.

        Raises:
            EngineError: The disk is full; earlier checkpoints are still there.
        """
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
                state = {"step": step, "shape": self._shape(), "totals": vars(totals)}
                checkpoints.mark(target, state)
                checkpoints.keep_newest(
                    self._models, self._config["parameters"]["save_total_limit"]
                )
        except Exception as error:
            raise _of_saving(target, error) from error

    def finish(self, result: dict[str, Any]) -> None:
        """Save the model as a folder that can be deployed.

        Args:
            result: Figures of the training.

        Raises:
            EngineError: The disk is full; nothing of the folder is left.
        """
        weights = gathered(self._engine)
        if weights is not None:
            model = self._engine.module
            model.config.use_cache = True
            tokenizer = read_tokenizer(
                self._config["tokenizer_path"],
                trust_remote_code=self._config["parameters"]["trust_remote_code"],
            )
            with whole_folder(self._models / checkpoints.FINAL, self._config["name"]) as folder:
                model.save_pretrained(folder, state_dict=weights)
                tokenizer.save(folder)
                manifest = {
                    "kind": "sfft",
                    "job": self._config["name"],
                    "job_folder": self._config["folder"],
                    "base": self._config["model_path"],
                    "result": result,
                }
                write_manifest(folder, manifest)
        dist.barrier()


def _random_file(rank: int) -> str:
    return f"random-{rank}.pt"


def _of_saving(target: Path, error: Exception) -> Exception:
    """A disk's error in one sentence; a lost rank's as it is, because another try mends it."""
    lost = isinstance(error, RuntimeError) and disk_fault(error) is None
    return error if lost or isinstance(error, ByzerLabError) else explained(target, error)
