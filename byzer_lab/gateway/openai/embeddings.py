"""``POST /v1/embeddings`` and ``POST /v1/rerank``.

https://platform.openai.com/docs/api-reference/embeddings; rerank in the form of Cohere and Jina.
"""

from __future__ import annotations

import base64
import struct
from typing import Any

from starlette.responses import Response

from byzer_lab.gateway.handling import Handler
from byzer_lab.gateway.openai import shapes
from byzer_lab.gateway.openai.reading import refused
from byzer_lab.gateway.service import Exchange
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest
from byzer_lab.web import json_response

MOST_TEXTS = 2048


class Embeddings(Handler[shapes.EmbeddingBody]):
    """Vectors of texts. A text that was cut to the model's limit is marked ``truncated``."""

    path = "/v1/embeddings"
    summary = "Turn texts into vectors."
    body = shapes.EmbeddingBody
    example = {"model": "NAME", "input": ["a text", "another"]}

    async def answer(self, body: shapes.EmbeddingBody, exchange: Exchange) -> Response:
        name, adapter = self.service.find(body.model, exchange)
        if adapter:
            raise refused("model", f"an embedding model has no adapter {adapter!r}.")
        if body.dimensions is not None:
            raise refused("dimensions", "vectors here have the model's own length; leave it out.")
        request = EmbedRequest(exchange.id, _texts(body.input))
        found = await self.service.plane.whole(name, "embed", request, EmbedAnswer)
        exchange.add(found.usage)
        as_text = body.encoding_format == "base64"
        data = [
            {
                "object": "embedding",
                "index": number,
                "embedding": base64.b64encode(vector).decode() if as_text else _floats(vector),
                **({"truncated": True} if cut else {}),
            }
            for number, (vector, cut) in enumerate(zip(found.vectors, found.truncated, strict=True))
        ]
        tokens = found.usage.input_tokens
        return json_response(
            {
                "object": "list",
                "data": data,
                "model": body.model,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )


class Rerank(Handler[shapes.RerankBody]):
    """Passages by how well they answer a query; scores are the model's own."""

    path = "/v1/rerank"
    summary = "Order passages by how well they answer a query."
    body = shapes.RerankBody
    example = {"model": "NAME", "query": "a question", "documents": ["a passage", "another"]}

    async def answer(self, body: shapes.RerankBody, exchange: Exchange) -> Response:
        name, _ = self.service.find(body.model, exchange)
        texts = [one if isinstance(one, str) else one.text for one in body.documents]
        request = RerankRequest(exchange.id, [(body.query, text) for text in texts])
        found = await self.service.plane.whole(name, "rerank", request, RerankAnswer)
        exchange.add(found.usage)
        order = sorted(range(len(texts)), key=lambda n: found.scores[n], reverse=True)
        results: list[dict[str, Any]] = [
            {
                "index": number,
                "relevance_score": found.scores[number],
                **({"document": {"text": texts[number]}} if body.return_documents else {}),
                **({"truncated": True} if found.truncated[number] else {}),
            }
            for number in order[: body.top_n]
        ]
        tokens = found.usage.input_tokens
        return json_response(
            {
                "id": exchange.id,
                "object": "list",
                "model": body.model,
                "results": results,
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )


def _texts(given: str | list[Any]) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not texts or len(texts) > MOST_TEXTS:
        raise refused("input", f"it has {len(texts)} texts; send 1 to {MOST_TEXTS}.")
    if not all(isinstance(text, str) for text in texts):
        raise refused("input", "send texts; the numbers of tokens are not accepted.")
    if "" in texts:
        raise refused("input", "a text is empty.")
    return texts


def _floats(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
