"""Folders of jobs: made when a job begins, deleted only where they are that job's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import msgspec

from byzer_lab.errors import ConflictError, InvalidRequestError
from byzer_lab.jobs import JobRecord, JobSpec

MANIFEST = "job.json"
"""In a job's folder: whose it is, and what was asked for."""


def make_folder(record: JobRecord) -> None:
    """Make a job's folder and write into it whose it is.

    Raises:
        InvalidRequestError: It can't be made, or nothing can be written into it.
    """
    folder = Path(record.spec.folder)
    manifest = {"id": record.id, "spec": msgspec.to_builtins(record.spec)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=2))
    except OSError as error:
        raise InvalidRequestError(
            f"The job's folder {str(folder)!r} can't be written ({error.strerror}); name another "
            "place with localPathPrefix, or mend that one."
        ) from error


def remove_folder(record: JobRecord) -> None:
    """Delete a job's folder with all that it made.

    Raises:
        ConflictError: It is not this job's, or can't be deleted.
    """
    folder = Path(record.spec.folder)
    if not folder.exists():
        return
    if _owner(folder) != record.id:
        raise ConflictError(
            f"The folder {str(folder)!r} was not made by the job {record.spec.name!r}, or belongs "
            "to a later one; delete it yourself."
        )
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise ConflictError(
            f"The folder {str(folder)!r} can't be deleted ({error.strerror})."
        ) from error


def _owner(folder: Path) -> str | None:
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest.get("id") if isinstance(manifest, dict) else None


def refuse_shared_folder(spec: JobSpec, others: list[JobRecord]) -> None:
    """Raise :class:`ConflictError` where a job that goes on works in the same folder."""
    for other in others:
        if other.finished_at is None and Path(other.spec.folder) == Path(spec.folder):
            raise ConflictError(
                f"The job {other.spec.name!r} is working in {spec.folder!r}; choose another folder."
            )
