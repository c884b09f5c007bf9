"""The trainer: the library's, with the loss where it is needed and checkpoints that are whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from trl import SFTTrainer

from byzer_lab.training.distributed import any_rank
from byzer_lab.training.sft import head
from byzer_lab.training.sft.checkpoints import mark_whole


class WholeCheckpoints:
    """Mixed into a trainer: a checkpoint counts once every process has written its part.

    Only then do older ones go, so that a process that is killed at any moment leaves one.
    """

    keep = 1
    """How many stay."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        trainer: Any = self
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        any_rank(False)  # waits for the others
        if trainer.args.should_save:
            state = trainer.state
            mark_whole(
                Path(trainer.args.output_dir),
                state.global_step,
                self.keep,
                best=state.best_model_checkpoint,
            )


class Trainer(WholeCheckpoints, SFTTrainer):  # type: ignore[misc]
    """Finetunes on labelled tokens.

    On a processor the loss is computed by :mod:`byzer_lab.training.sft.head`; on a GPU the
    library's own kernel leaves out the other positions too.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        plain = getattr(self.model, "get_base_model", lambda: self.model)()
        simple = self.args.loss_type == "nll" and self.args.label_smoothing_factor == 0
        self._selective = simple and not torch.cuda.is_available() and head.fits(plain)
        if self._selective:
            head.put_head(plain)

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        """The library's call: mean loss per trained token."""
        if not self._selective or return_outputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        labels = inputs["labels"]
        others = {name: value for name, value in inputs.items() if name != "labels"}
        summed = model(**others, **{head.ARGUMENT: labels})["loss"]
        if num_items_in_batch is None:
            return summed / (labels[:, 1:] != -100).sum().clamp(min=1)
        loss = summed / torch.as_tensor(num_items_in_batch).clamp(min=1)
        # It counts the tokens of every process, and gradients are averaged over them.
        shared = self.args.average_tokens_across_devices
        return loss * self.accelerator.num_processes if shared else loss
