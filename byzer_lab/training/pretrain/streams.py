"""The files of the workers' tokens: written once, then mapped into memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

DATA = "finetune_data"
"""Of the job's folder: where the tokens are."""
_INDEX = "tokens.json"


@dataclass(frozen=True)
class Streams:
    """The tokens of all workers.

    Attributes:
        folder: Where they are.
        tokens: Of each worker's stream.
        texts: Of all of them.
        dtype: Name of the files' numbers.
        origin: What they were made of: where that is the same, they are as well.
    """

    folder: Path
    tokens: tuple[int, ...]
    texts: int
    dtype: str
    origin: dict[str, Any]

    def open(self, rank: int) -> Any:
        """One worker's tokens, mapped."""
        return np.memmap(_file(self.folder, rank), dtype=self.dtype, mode="r")


class StreamWriter:
    """Writes one worker's tokens.

    Args:
        folder: Where.
        rank: The worker's.
        vocabulary: How many tokens there are.
    """

    def __init__(self, folder: Path, rank: int, vocabulary: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.dtype = "uint16" if vocabulary <= 2**16 else "uint32"
        self.tokens = 0
        self.texts = 0
        self._file = _file(folder, rank).open("wb")

    def add(self, tokens: Sequence[int]) -> None:
        """Add a text."""
        self._file.write(np.asarray(tokens, dtype=self.dtype).tobytes())
        self.tokens += len(tokens)
        self.texts += 1

    def close(self) -> None:
        """End the file. Safe to call twice."""
        self._file.close()


def write_index(folder: Path, writers: Sequence[StreamWriter], origin: dict[str, Any]) -> Streams:
    """Declare the streams whole."""
    for writer in writers:
        writer.close()
    streams = Streams(
        folder,
        tuple(writer.tokens for writer in writers),
        sum(writer.texts for writer in writers),
        writers[0].dtype,
        origin,
    )
    told = {name: value for name, value in vars(streams).items() if name != "folder"}
    part = folder / f".{_INDEX}"
    part.write_text(json.dumps(told), encoding="utf-8")
    part.replace(folder / _INDEX)
    return streams


def find_streams(folder: Path, origin: dict[str, Any] | None = None) -> Streams | None:
    """The streams that are there.

    Args:
        folder: Where they may be.
        origin: What they must have been made of; ``None``: anything.
    """
    try:
        told = json.loads((folder / _INDEX).read_bytes())
    except (OSError, ValueError):
        return None
    if origin is not None and told["origin"] != origin:
        return None
    return Streams(folder, tuple(told["tokens"]), told["texts"], told["dtype"], told["origin"])


def _file(folder: Path, rank: int) -> Path:
    return folder / f"tokens-{rank}.bin"
