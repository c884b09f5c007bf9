"""Vectors of many texts: in parts that a provider takes, a few at a time."""

from __future__ import annotations

import asyncio
import base64
import math
import struct
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import InvalidRequestError, ProviderError
from byzer_lab.types import ProviderFacts
from byzer_lab.vectors import EmbedAnswer, EmbedRequest

if TYPE_CHECKING:
    from byzer_lab.providers.base import Provider

AT_ONCE = 4
Part = tuple[list[bytes], int, ProviderFacts]
"""Vectors of some texts, how many tokens these have, and what is known of the answer."""
Ask = Callable[[list[str]], Awaitable[Part]]


async def embed_in_parts(provider: Provider, request: EmbedRequest, ask: Ask) -> EmbedAnswer:
    """Vectors of texts. See :meth:`byzer_lab.engines.base.Embeds.embed`.

    A provider tells the tokens of all texts together; each text's number is its share by length.

    Args:
        provider: Who is asked.
        request: The caller's.
        ask: Asks for a part of the texts.
    """
    if request.max_length is not None:
        raise InvalidRequestError(f"{provider.type} has no max_length; leave it out.")
    size = min(request.batch_size or provider.preset.batch, provider.preset.batch)
    parts = [request.texts[at : at + size] for at in range(0, len(request.texts), size)]
    answers = await _in_order(ask, parts)
    vectors = [vector for found, _, _ in answers for vector in found]
    if request.normalize:
        vectors = [_of_length_one(vector) for vector in vectors]
    tokens = [
        share
        for texts, (_, total, _) in zip(parts, answers, strict=True)
        for share in shared(total, texts)
    ]
    facts = answers[0][2]
    return EmbedAnswer(
        vectors=vectors,
        tokens=tokens,
        truncated=[False] * len(vectors),
        usage=provider.usage(facts, sum(tokens), 0),
    )


async def _in_order(ask: Ask, parts: list[list[str]]) -> list[Part]:
    """Ask for all parts, a few at a time; where one fails the others are given up."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(texts: list[str]) -> Part:
        async with places:
            return await ask(texts)

    tasks = [asyncio.create_task(one(texts)) for texts in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def as_bytes(
    provider: Provider, vectors: list[Any], wanted: int, facts: ProviderFacts
) -> list[bytes]:
    """The vectors of an answer, numbers or base64.

    Args:
        provider: Whose answer it is.
        vectors: As they came, in order.
        wanted: How many were asked for.
        facts: Of the answer.

    Raises:
        ProviderError: There are more or fewer.
    """
    if len(vectors) != wanted:
        raise ProviderError(
            f"{provider.type} was asked for {wanted} vectors and sent {len(vectors)}.",
            provider=provider.type,
            request_id=facts.request_id,
        )
    return [_bytes(vector) for vector in vectors]


def _bytes(vector: Any) -> bytes:
    if isinstance(vector, str):
        return base64.b64decode(vector)
    return struct.pack(f"<{len(vector)}f", *vector)


def _of_length_one(vector: bytes) -> bytes:
    numbers = struct.unpack(f"<{len(vector) // 4}f", vector)
    length = math.sqrt(sum(number * number for number in numbers)) or 1.0
    return struct.pack(f"<{len(numbers)}f", *(number / length for number in numbers))


def shared(total: int, texts: list[str]) -> list[int]:
    """Whole numbers that add up to a total, by the texts' lengths."""
    length = sum(map(len, texts)) or 1
    ends, seen = [0], 0
    for text in texts:
        seen += len(text)
        ends.append(round(total * seen / length))
    return [end - start for start, end in pairwise(ends)]
