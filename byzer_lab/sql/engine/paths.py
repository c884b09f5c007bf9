"""Paths of ``load`` and ``save``."""

from __future__ import annotations

import glob
from pathlib import Path

from byzer_lab.errors import InvalidRequestError

HIDDEN = ("_", ".")


def local(path: str) -> Path:
    """A path as a script writes it; ``file://`` may stand before it, and ``~`` is the home.

    Raises:
        InvalidRequestError: It is empty, or lies elsewhere than on this machine.
    """
    text = path.strip()
    if text.startswith("file:"):
        text = "/" + text.removeprefix("file:").lstrip("/")
    elif is_elsewhere(text):
        raise InvalidRequestError(
            f"{path!r} does not lie on this machine; files are read from local paths only, so "
            "fetch it first."
        )
    if not text:
        raise InvalidRequestError("The path is empty; write it between the back quotes.")
    return Path(text).expanduser()


def is_elsewhere(path: str) -> bool:
    """Whether a path names another file system than this machine's, such as ``s3://``."""
    return "://" in path and not path.strip().startswith("file:")


def shown(path: str) -> str:
    """A path as sentences tell it."""
    return path if is_elsewhere(path) else str(local(path))


def no_file(place: Path) -> InvalidRequestError:
    """The error of a file that is not there."""
    where = "" if place.is_absolute() else f" in {Path.cwd()}"
    return InvalidRequestError(f"There is no file {str(place)!r}{where}.")


def files(path: str) -> list[str]:
    """The files that a path means: itself, all of a folder, or what its pattern fits; several
    paths may stand there, with commas between them.

    Raises:
        InvalidRequestError: There are none.
    """
    found: list[str] = []
    for one in path.split(","):
        place = local(one)
        if place.is_dir():
            some = [file for file in sorted(place.rglob("*")) if _is_data(file, place)]
        elif place.exists():
            some = [place]
        else:
            some = [Path(name) for name in sorted(glob.glob(str(place))) if Path(name).is_file()]
        if not some:
            raise no_file(place)
        found += [str(file) for file in some]
    return found


def _is_data(file: Path, folder: Path) -> bool:
    parts = file.relative_to(folder).parts
    return file.is_file() and not any(part.startswith(HIDDEN) for part in parts)
