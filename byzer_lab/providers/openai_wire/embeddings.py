"""``POST embeddings``: texts as vectors.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

import asyncio
import base64
import math
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import InvalidRequestError, ProviderError
from byzer_lab.providers.ending import shapes
from byzer_lab.types import EmbedAnswer, EmbedRequest, ProviderFacts

if TYPE_CHECKING:
    from byzer_lab.providers.openai_wire.engine import OpenAIWire

AT_ONCE = 4
Part = tuple[list[bytes], int, ProviderFacts]


async def embed(engine: OpenAIWire, request: EmbedRequest) -> EmbedAnswer:
    """Vectors of texts. See :meth:`byzer_lab.engines.base.Embeds.embed`.

    A provider tells the tokens of all texts together; each text's number is its share by length.
    """
    if request.max_length is not None:
        raise InvalidRequestError(f"{engine.type} has no max_length; leave it out.")
    size = min(request.batch_size or engine.preset.batch, engine.preset.batch)
    parts = [request.texts[at : at + size] for at in range(0, len(request.texts), size)]
    answers = await _in_order(engine, parts)
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
        usage=engine.usage(facts, sum(tokens), 0),
    )


async def _in_order(engine: OpenAIWire, parts: list[list[str]]) -> list[Part]:
    """Ask for all parts, a few at a time; where one fails the others are given up."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(texts: list[str]) -> Part:
        async with places:
            return await _ask(engine, texts)

    tasks = [asyncio.create_task(one(texts)) for texts in parts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _ask(engine: OpenAIWire, texts: list[str]) -> Part:
    from byzer_lab.providers.http import Call

    body: dict[str, Any] = {"model": engine.model, "input": texts}
    if engine.settings.dimensions is not None:
        body["dimensions"] = engine.settings.dimensions
    call = Call(
        engine.url("embeddings"), json=body, headers=await engine.headers(), params=engine.params()
    )
    found, facts = await engine.http.json(call)
    with shapes(engine.type, facts):
        return _vectors(engine, texts, found, facts)


def _vectors(
    engine: OpenAIWire, texts: list[str], found: dict[str, Any], facts: ProviderFacts
) -> Part:
    refused = (found.get("base_resp") or {}).get("status_code")
    if found.get("error") or refused or found.get("error_code"):
        raise engine.refusal(found, facts)
    rows = sorted(found.get("data") or [], key=lambda row: row.get("index", 0))
    if len(rows) != len(texts):
        raise ProviderError(
            f"{engine.type} was asked for {len(texts)} vectors and sent {len(rows)}.",
            provider=engine.type,
            request_id=facts.request_id,
        )
    facts.model = found.get("model") or ""
    facts.request_id = facts.request_id or str(found.get("id") or "")
    usage = found.get("usage") or {}
    total = usage.get("prompt_tokens") or usage.get("total_tokens") or 0
    return [_bytes(row.get("embedding")) for row in rows], total, facts


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
