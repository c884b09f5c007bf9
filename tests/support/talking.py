"""An engine that shows what it was asked, and calls tools: for tests of the servers' wire forms."""

from __future__ import annotations

import json
import struct
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from byzer_lab.engines.base import EngineConfig, ReportProgress
from byzer_lab.types import Chunk, GenerateRequest, TokenLogprob, ToolCallDelta, Usage
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest


class TalkingEngine:
    """Answers with the request as JSON, or with what it was asked for.

    A schema or tools that must be used are answered in kind; ``think`` anywhere in the last
    message is thought about first, and ``until`` there ends the answer at the last stop text.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._config = config

    def load(self, report: ReportProgress) -> None:
        """Nothing to load."""

    def meta(self) -> dict[str, Any]:
        return {"backend": "talking", "structured_output": "constrained", "support_tools": True}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        last = request.messages[-1].text if request.messages else request.prompt or ""
        finish, stop = "stop", ""
        if "think" in last:
            yield Chunk(reasoning="let me see ", tokens=1)
            yield Chunk(reasoning="...", tokens=1)
        if request.tools and request.tool_choice != "none":
            chosen = [t.name for t in request.tools if request.tool_choice in (t.name, "required")]
            for index, name in enumerate(chosen or [request.tools[0].name]):
                yield Chunk(tool_calls=[ToolCallDelta(index, f"call_{index}", name)], tokens=1)
                for piece in ('{"city": ', '"Paris"}'):
                    yield Chunk(tool_calls=[ToolCallDelta(index, arguments=piece)], tokens=1)
            finish = "tool_calls"
        elif request.response_schema is not None:
            yield Chunk(text='{"title": "a", "body": "b"}', tokens=3)
        elif request.sampling.logprobs is not None:
            top = [TokenLogprob(n, "xy"[n], -1.0 - n) for n in range(request.sampling.logprobs)]
            yield Chunk(text="x", tokens=1, logprobs=[TokenLogprob(0, "x", -1.0, top)])
            yield Chunk(text="é", tokens=1, logprobs=[TokenLogprob(2, "é", -2.0, top)])
        elif "until" in last and request.sampling.stop:
            yield Chunk(text="so far", tokens=2)
            stop = request.sampling.stop[-1]
        else:
            shown = msgspec.to_builtins(request)
            yield Chunk(text=json.dumps({k: shown[k] for k in shown if k != "request_id"}))
        usage = Usage(input_tokens=7, output_tokens=5, cached_tokens=2, reasoning_tokens=1)
        yield Chunk(finish_reason=finish, usage=usage, stop=stop)  # type: ignore[arg-type]

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        vectors = [struct.pack("<3f", len(text), 0.5, -1.0) for text in request.texts]
        tokens = [len(text.split()) for text in request.texts]
        cut = [len(text) > 100 for text in request.texts]
        return EmbedAnswer(vectors, tokens, cut, Usage(input_tokens=sum(tokens)))

    async def rerank(self, request: RerankRequest) -> RerankAnswer:
        scores = [float(len(passage)) for _, passage in request.pairs]
        counts = [1] * len(scores)
        return RerankAnswer(scores, counts, [False] * len(scores), Usage(input_tokens=len(scores)))

    async def close(self) -> None:
        """Nothing to free."""


class MediaEngine:
    """Draws or speaks: its bytes are the question, so that tests see what arrived.

    ``infer_params``: ``media_type`` of what it makes.
    """

    def __init__(self, config: EngineConfig) -> None:
        self._kind = str(config.infer_params["media_type"])

    def load(self, report: ReportProgress) -> None:
        """Nothing to load."""

    def meta(self) -> dict[str, Any]:
        return {"backend": "media"}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        question = request.messages[-1].text if request.messages else ""
        for part in (question.encode(), b"second"):
            yield Chunk(data=part, media_type=self._kind)
        yield Chunk(finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=4))

    async def close(self) -> None:
        """Nothing to free."""
