"""What providers of speech share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.speech import MEDIA_TYPES as OURS

MEDIA_TYPES = {**OURS, "ogg_opus": "audio/ogg", "aac": "audio/aac"}
"""The media type of each format of sound."""


def take_size(question: dict[str, Any]) -> int | None:
    """Take ``chunk_size`` out of a question: bytes of each piece of the sound.

    Raises:
        InvalidRequestError: It is less than 1.
    """
    size: int | None = question.pop("chunk_size", None)
    if size is not None and size < 1:
        raise InvalidRequestError(f"chunk_size is {size}; it must be at least 1.")
    return size


async def in_pieces(blocks: AsyncIterator[bytes], size: int | None) -> AsyncIterator[bytes]:
    """Bytes in pieces of one size, but for the last; as they come where none is given."""
    held = b""
    async for block in blocks:
        held += block
        while size and len(held) >= size:
            yield held[:size]
            held = held[size:]
        if held and not size:
            yield held
            held = b""
    if held:
        yield held


async def whole(data: bytes) -> AsyncIterator[bytes]:
    """A sound that came in one piece."""
    yield data
