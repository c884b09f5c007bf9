"""Finds the GGUF file before anything heavy is imported, so that a wrong path fails at once."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from byzer_lab.errors import InvalidRequestError

_MAGIC = b"GGUF"
_HEADER_BYTES = 8
_OLDEST_VERSION, _NEWEST_VERSION = 2, 3
# A large model is split over files of which the first names the others.
_PART = re.compile(r"(.+)-(\d{5})-of-(\d{5})\.gguf")
# The part of a model that reads images lies beside the one that writes text.
_PROJECTOR = "mmproj"


def find_gguf(model_path: str) -> Path:
    """The GGUF file that a model path means.

    Args:
        model_path: A ``.gguf`` file, or a folder that holds exactly one (or one in several parts).

    Raises:
        InvalidRequestError: There is none, there are several, or it is no GGUF file.
    """
    path = Path(model_path).expanduser()
    if not path.exists():
        raise InvalidRequestError(
            f"There is no file or folder {str(path.absolute())!r}. The llama_cpp backend needs a "
            ".gguf file, or a folder that holds one.",
            model_path=model_path,
        )
    file = _in_folder(path) if path.is_dir() else path
    _check_header(file)
    return file


def check_adapter(lora_path: str | None) -> None:
    """Look for the adapter of a deployment that has one.

    Raises:
        InvalidRequestError: There is no such file, or it is no GGUF file.
    """
    if lora_path is None:
        return
    file = Path(lora_path).expanduser()
    if not file.is_file():
        raise InvalidRequestError(
            f"There is no file {str(file.absolute())!r}; lora_path is a LoRA adapter in GGUF form."
        )
    _check_header(file)


def _in_folder(folder: Path) -> Path:
    found = [
        file
        for file in sorted(folder.glob("*.gguf"))
        if not file.name.startswith(_PROJECTOR) and not _is_later_part(file)
    ]
    if not found:
        names = sorted(entry.name for entry in folder.iterdir())
        there = f"it holds {', '.join(names[:5])}" if names else "it is empty"
        more = " and more" if len(names) > 5 else ""
        raise InvalidRequestError(
            f"The folder {str(folder)!r} has no .gguf file, which the llama_cpp backend needs: "
            f"{there}{more}."
        )
    if len(found) > 1:
        names = [file.name for file in found]
        raise InvalidRequestError(
            f"The folder {str(folder)!r} holds {len(found)} .gguf files; give the path of one of "
            f"them: {', '.join(names[:5])}."
        )
    return found[0]


def _is_later_part(file: Path) -> bool:
    part = _PART.fullmatch(file.name)
    return part is not None and int(part[2]) > 1


def _check_header(file: Path) -> None:
    try:
        with file.open("rb") as stream:
            header = stream.read(_HEADER_BYTES)
    except OSError as error:
        raise InvalidRequestError(f"{str(file)!r} can't be read: {error.strerror}.") from error
    if header[: len(_MAGIC)] != _MAGIC:
        raise InvalidRequestError(
            f"{str(file)!r} is no GGUF file, and the llama_cpp backend serves nothing else."
        )
    if len(header) < _HEADER_BYTES:
        raise InvalidRequestError(f"The GGUF file {str(file)!r} is cut off after its first bytes.")
    (version,) = struct.unpack("<I", header[len(_MAGIC) :])
    if not _OLDEST_VERSION <= version <= _NEWEST_VERSION:
        raise InvalidRequestError(
            f"{str(file)!r} is a GGUF file of version {version}; the library reads "
            f"{_OLDEST_VERSION} to {_NEWEST_VERSION}."
        )
