"""Checkpoints of the library's trainer: which are whole, and which may go."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from byzer_lab.jobs import Checkpoint

_WHOLE = "complete"
"""Written into a checkpoint's folder once every process has written its part."""
_NAME = re.compile(r"checkpoint-(\d+)")


def checkpoints_in(folder: Path) -> list[Checkpoint]:
    """The whole checkpoints, oldest first."""
    found = [
        Checkpoint(int(match[1]), str(path))
        for path in (folder.iterdir() if folder.is_dir() else ())
        if (match := _NAME.fullmatch(path.name)) and (path / _WHOLE).is_file()
    ]
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def newest(folder: Path) -> str | None:
    """Folder of the newest whole checkpoint."""
    found = checkpoints_in(folder)
    return found[-1].path if found else None


def step_of(path: str | None) -> int:
    """The step of a checkpoint's folder; 0 without one."""
    match = _NAME.fullmatch(Path(path or "").name)
    return int(match[1]) if match else 0


def mark_whole(folder: Path, step: int, keep: int, *, best: str | None = None) -> None:
    """Mark a step's checkpoint as whole and remove older ones.

    Args:
        folder: Of the checkpoints.
        step: Whose is whole now.
        keep: How many stay.
        best: Path of one that stays too.
    """
    (folder / f"checkpoint-{step}" / _WHOLE).touch()
    for old in checkpoints_in(folder)[:-keep]:
        if old.path == best:
            continue
        (Path(old.path) / _WHOLE).unlink()  # first: half of one is none
        shutil.rmtree(old.path, ignore_errors=True)


def remove_broken(folder: Path) -> None:
    """Remove what a save that didn't end has left, which may have filled the disk."""
    for path in folder.iterdir() if folder.is_dir() else ():
        if _NAME.fullmatch(path.name) and not (path / _WHOLE).is_file():
            shutil.rmtree(path, ignore_errors=True)
