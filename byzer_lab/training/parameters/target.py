"""Where a job's model is saved, checked before the work begins."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec

FINAL = "finetune_model/final"
"""Of the job's folder: where its model lies in the end."""
MANIFEST = "byzer_train.json"
"""Of a model's or an adapter's folder: what made it, and of what."""


def target_of(spec: JobSpec, save_path: str | None, *, overwrite: bool) -> Path:
    """The folder of the model to be.

    Args:
        spec: The job.
        save_path: What it names; ``None`` takes a place in the job's folder.
        overwrite: There may be a model already.

    Raises:
        InvalidRequestError: It is taken, or nothing can be written there.
    """
    target = Path(save_path).expanduser() if save_path else Path(spec.folder) / FINAL
    target = target.absolute()
    if target.is_file():
        raise InvalidRequestError(f"{str(target)!r} is a file; save_path must be a folder.")
    taken = target.is_dir() and any(target.iterdir()) and made_by(spec, target) is None
    if taken and not overwrite:
        names = ", ".join(sorted(entry.name for entry in target.iterdir())[:3])
        raise InvalidRequestError(
            f"The folder {str(target)!r} is not empty (it holds {names}); choose another "
            "save_path, or set overwrite to replace what is there."
        )
    above = next(folder for folder in target.parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InvalidRequestError(
            f"Nothing can be written into {str(above)!r}, where {str(target)!r} would be; choose "
            "another save_path, or change the folder's permissions."
        )
    return target


def made_by(spec: JobSpec, target: Path) -> dict[str, Any] | None:
    """The manifest of a folder that this very job has made, in an attempt before this one."""
    try:
        manifest: dict[str, Any] = json.loads((target / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest if manifest.get("job_folder") == spec.folder and spec.folder else None
