"""A folder that is there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError, describe
from byzer_lab.training.parameters.target import MANIFEST

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
# Libraries that write weights have exceptions of their own, which only quote the system's words.
_FULL_WORDS = (
    *("No space left on device", "os error 28", "Disk quota exceeded"),
    *("file write failed", "unexpected pos"),  # of PyTorch: in the middle of a file, at its end
)


@contextlib.contextmanager
def whole_folder(target: Path, owner: str) -> Iterator[Path]:
    """A new folder beside the target, which takes its place when the block ends well.

    Args:
        target: What shall be there; what is there now goes when the new one is complete.
        owner: Name of the job: what its earlier attempt has left is removed.

    Yields:
        The folder to write into. It is removed when the block fails.

    Raises:
        InvalidRequestError: Nothing can be written there.
        EngineError: The disk is full.
    """
    part = target.parent / f".{target.name}.{owner}.part"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield part
        _replace(part, target)
    except ByzerLabError:
        raise
    except Exception as error:
        raise explained(target, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write down what made a folder, and of what."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")


def explained(target: Path, error: Exception) -> ByzerLabError:
    """The error of saving something, in one sentence.

    Args:
        target: What was to be saved.
        error: The system's or a library's.
    """
    fault = disk_fault(error)
    if fault is None:
        return EngineError(f"{str(target)!r} can't be saved: {describe(error)}")
    if not is_full(fault):
        return _unwritable(target, fault)
    free = _free_mib(target)
    return EngineError(
        f"The disk is full: {str(target)!r} can't be saved, with {free} MiB free. Make room "
        "and resume the job; what was saved before is still there."
    )


def disk_fault(error: BaseException) -> OSError | None:
    """The system's refusal to write that an exception tells of, itself or by what caused it.

    Args:
        error: The system's or a library's.
    """
    chain: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in chain:
        chain.append(at)
        at = at.__cause__ or at.__context__
    for one in chain:
        if isinstance(one, OSError) and one.errno in (*_FULL, *_FORBIDDEN):
            return one
    if any(part in describe(one) for one in chain for part in _FULL_WORDS):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return None


def is_full(error: OSError) -> bool:
    """Whether the disk, or the user's share of it, is full."""
    return error.errno in _FULL


def _replace(part: Path, target: Path) -> None:
    old = target.parent / f"{part.name}.old"
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    try:
        part.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _unwritable(target: Path, error: OSError) -> ByzerLabError:
    reason = error.strerror or describe(error)
    if is_full(error):
        return explained(target, error)
    return InvalidRequestError(
        f"The folder {str(target)!r} can't be made: {reason}. Choose another one, or change the "
        "permissions."
    )


def _free_mib(target: Path) -> int:
    above = next(folder for folder in target.parents if folder.exists())
    state = os.statvfs(above)
    return state.f_bavail * state.f_frsize // 2**20
