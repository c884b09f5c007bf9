"""Gemini's models of vectors: batchEmbedContents.

Written from https://ai.google.dev/api/embeddings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from byzer_lab.providers.base import Provider
from byzer_lab.providers.ending import shapes
from byzer_lab.providers.settings import Settings
from byzer_lab.providers.vectors import Part, as_bytes, embed_in_parts
from byzer_lab.schema import parameter
from byzer_lab.vectors import EmbedAnswer, EmbedRequest


@dataclass(frozen=True)
class GeminiVectorSettings(Settings):
    """What a deployment says."""

    dimensions: int | None = parameter(
        None, "Length of the vectors, of models that offer several.", least=1
    )
    task_type: str | None = parameter(
        None, "What the vectors are for, such as RETRIEVAL_QUERY or SEMANTIC_SIMILARITY."
    )


class GeminiVectors(Provider):
    """A model of Google that turns texts into vectors."""

    settings_class = GeminiVectorSettings
    settings: GeminiVectorSettings

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        """See :meth:`byzer_lab.engines.base.Embeds.embed`."""
        return await embed_in_parts(self, request, self._ask)

    async def _ask(self, texts: list[str]) -> Part:
        from byzer_lab.providers.http import Call

        name = f"models/{self.model.removeprefix('models/')}"
        settings = self.settings
        more: dict[str, Any] = {}
        if settings.dimensions is not None:
            more["outputDimensionality"] = settings.dimensions
        if settings.task_type is not None:
            more["taskType"] = settings.task_type
        requests = [
            {"model": name, "content": {"parts": [{"text": text}]}, **more} for text in texts
        ]
        call = Call(
            f"{self.base_url}/{name}:batchEmbedContents",
            json={"requests": requests},
            headers=self.key_headers(),
        )
        found, facts = await self.http.json(call)
        if "error" in found:
            raise self.refusal(found, facts)
        with shapes(self.type, facts):
            rows = [row["values"] for row in found.get("embeddings") or []]
            vectors = as_bytes(self, rows, len(texts), facts)
            total = (found.get("usageMetadata") or {}).get("promptTokenCount") or 0
            return vectors, total, facts
