"""Checkpoints of a pretraining: which are whole, and what is kept of them.

DeepSpeed writes one file a rank. A checkpoint counts as soon as rank 0 has put its marker beside
them, which it does when all ranks are done; whatever has no marker was left by a process that died.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byzer_lab.jobs import Checkpoint

MODELS = "finetune_model"
"""Of the job's folder: where checkpoints and the final model are."""
FINAL = "final"
"""Of that: where the model is in the end."""
_MARKER = "byzer_checkpoint.json"
_LATEST = "latest"


@dataclass(frozen=True)
class Saved:
    """A whole checkpoint.

    Attributes:
        folder: Where it is; its name is DeepSpeed's tag.
        state: What the training was at, see :func:`mark`.
    """

    folder: Path
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.state["step"])


def whole_checkpoints(folder: Path) -> list[Saved]:
    """Those of a job's models' folder, the oldest first."""
    found = []
    for marker in folder.glob(f"*/{_MARKER}"):
        with contextlib.suppress(OSError, ValueError, KeyError):
            saved = Saved(marker.parent, json.loads(marker.read_bytes()))
            found.append((saved.step, saved.folder.name, saved))
    return [saved for _, _, saved in sorted(found, key=lambda one: one[:2])]


def mark(checkpoint: Path, state: dict[str, Any]) -> None:
    """Declare a checkpoint whole.

    Args:
        checkpoint: Its folder.
        state: ``step``, ``world`` and whatever the training needs to go on.
    """
    part = checkpoint / f".{_MARKER}"
    with part.open("w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    part.replace(checkpoint / _MARKER)


def unmark(checkpoint: Path) -> None:
    """A checkpoint of that name is about to be written anew."""
    (checkpoint / _MARKER).unlink(missing_ok=True)


def remove_broken(folder: Path) -> None:
    """Remove what processes have left that died while they saved."""
    whole = {saved.folder for saved in whole_checkpoints(folder)}
    for states in folder.glob("*/*_states.pt"):
        if states.parent not in whole:
            shutil.rmtree(states.parent, ignore_errors=True)
    latest = folder / _LATEST
    if latest.is_file() and not (folder / latest.read_text().strip()).is_dir():
        newest = max(whole, key=lambda one: one.stat().st_mtime, default=None)
        latest.unlink() if newest is None else latest.write_text(newest.name)


def keep_newest(folder: Path, limit: int | None) -> None:
    """Remove all but so many checkpoints."""
    if limit is None:
        return
    for old in whole_checkpoints(folder)[:-limit]:
        unmark(old.folder)
        shutil.rmtree(old.folder, ignore_errors=True)


def as_told(folder: Path) -> list[Checkpoint]:
    """The whole ones as a job's record has them."""
    return [Checkpoint(saved.step, str(saved.folder)) for saved in whole_checkpoints(folder)]
