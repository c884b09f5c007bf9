"""``POST embeddings``: texts as vectors.

https://platform.openai.com/docs/api-reference/embeddings
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byzer_lab.providers.ending import shapes
from byzer_lab.providers.vectors import Part, as_bytes, embed_in_parts
from byzer_lab.types import ProviderFacts
from byzer_lab.vectors import EmbedAnswer, EmbedRequest

if TYPE_CHECKING:
    from byzer_lab.providers.openai_wire.engine import OpenAIWire


async def embed(engine: OpenAIWire, request: EmbedRequest) -> EmbedAnswer:
    """Vectors of texts. See :meth:`byzer_lab.engines.base.Embeds.embed`."""
    return await embed_in_parts(engine, request, lambda texts: _ask(engine, texts))


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
    facts.model = found.get("model") or ""
    facts.request_id = facts.request_id or str(found.get("id") or "")
    usage = found.get("usage") or {}
    total = usage.get("prompt_tokens") or usage.get("total_tokens") or 0
    vectors = as_bytes(engine, [row.get("embedding") for row in rows], len(texts), facts)
    return vectors, total, facts
