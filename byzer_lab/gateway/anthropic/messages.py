"""``POST /v1/messages`` and ``/v1/messages/count_tokens``.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any, ClassVar

import msgspec
from starlette.responses import Response

from byzer_lab.gateway.anthropic import failures, shapes
from byzer_lab.gateway.anthropic.reading import read_messages, read_request
from byzer_lab.gateway.asking import Whole, chunks_of, wholes
from byzer_lab.gateway.handling import Failures, Handler, Stream, text_event
from byzer_lab.gateway.service import Exchange
from byzer_lab.types import (
    Chunk,
    GenerateRequest,
    TemplateAnswer,
    TemplateRequest,
    TokenizeAnswer,
    TokenizeRequest,
    Usage,
)
from byzer_lab.web import encode_json, json_response

STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
    "cancelled": "end_turn",
}


class Messages(Handler[shapes.MessagesBody]):
    """Answers a conversation."""

    path = "/v1/messages"
    summary = "Answer a conversation, in Anthropic's form."
    body = shapes.MessagesBody
    failures: ClassVar[Failures] = failures
    example = {
        "model": "NAME",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Hello"}],
    }

    async def answer(self, body: shapes.MessagesBody, exchange: Exchange) -> Response | Stream:
        name, adapter = self.service.find(body.model, exchange)
        request = read_request(body, exchange.id, adapter)
        thinks = (body.thinking or {}).get("type") in ("enabled", "adaptive")
        if body.stream:
            return Stream(self._events(body, name, request, exchange, thinks))
        [answer] = await wholes(self.service, name, [request], exchange)
        return json_response(
            _message(
                body,
                exchange,
                content=_blocks(answer, thinks),
                **_ending(answer.finish, answer.stop),
                usage=_usage(answer.usage),
            )
        )

    async def _events(
        self,
        body: shapes.MessagesBody,
        name: str,
        request: GenerateRequest,
        exchange: Exchange,
        thinks: bool,
    ) -> AsyncGenerator[bytes]:
        blocks = _Blocks(thinks)
        chunks = chunks_of(self.service, name, [request], exchange)
        begun = False
        async with contextlib.aclosing(chunks):
            async for _, chunk in chunks:
                if not begun:
                    begun = True
                    head = _message(body, exchange, content=[], usage=_usage(Usage()))
                    yield _event("message_start", message=head)
                for event in blocks.feed(chunk):
                    yield event
                if chunk.finish_reason:
                    for event in blocks.end():
                        yield event
                    yield _event(
                        "message_delta",
                        delta=_ending(chunk.finish_reason, chunk.stop),
                        usage=_usage(chunk.usage or Usage()),
                    )
        yield _event("message_stop")


class CountTokens(Handler[shapes.CountBody]):
    """Counts a conversation's tokens as the model's chat template writes it, without tools."""

    path = "/v1/messages/count_tokens"
    summary = "Count the tokens of a conversation, in Anthropic's form."
    body = shapes.CountBody
    failures: ClassVar[Failures] = failures
    example = {"model": "NAME", "messages": [{"role": "user", "content": "Hello"}]}

    async def answer(self, body: shapes.CountBody, exchange: Exchange) -> Response:
        name, _ = self.service.find(body.model, exchange)
        asked = TemplateRequest(read_messages(body))
        plane = self.service.plane
        prompt = await plane.whole(name, "apply_chat_template", asked, TemplateAnswer)
        found = await plane.whole(name, "tokenize", TokenizeRequest(prompt.text), TokenizeAnswer)
        return json_response({"input_tokens": len(found.tokens)})


class _Blocks:
    """Splits an answer into content blocks, one open at a time."""

    def __init__(self, thinks: bool) -> None:
        self._thinks = thinks
        self._open: tuple[str, int] | None = None
        self._number = -1

    def feed(self, chunk: Chunk) -> list[bytes]:
        """The events of a chunk."""
        events: list[bytes] = []
        if chunk.reasoning and self._thinks:
            events += self._begin(("thinking", 0), type="thinking", thinking="", signature="")
            events.append(self._delta(type="thinking_delta", thinking=chunk.reasoning))
        if chunk.text:
            events += self._begin(("text", 0), type="text", text="")
            events.append(self._delta(type="text_delta", text=chunk.text))
        for piece in chunk.tool_calls:
            events += self._begin(
                ("tool", piece.index), type="tool_use", id=piece.id, name=piece.name, input={}
            )
            events.append(self._delta(type="input_json_delta", partial_json=piece.arguments))
        return events

    def end(self) -> list[bytes]:
        """Close the open block."""
        if self._open is None:
            return []
        self._open = None
        return [_event("content_block_stop", index=self._number)]

    def _begin(self, block: tuple[str, int], **content: Any) -> list[bytes]:
        if self._open == block:
            return []
        events = self.end()
        self._open = block
        self._number += 1
        start = _event("content_block_start", index=self._number, content_block=content)
        return [*events, start]

    def _delta(self, **delta: Any) -> bytes:
        return _event("content_block_delta", index=self._number, delta=delta)


def _ending(finish: str, stop: str) -> dict[str, Any]:
    """Why an answer ended, and which of the stop texts ended it."""
    if finish == "stop" and stop:
        return {"stop_reason": "stop_sequence", "stop_sequence": stop}
    return {"stop_reason": STOP_REASONS[finish], "stop_sequence": None}


def _event(kind: str, **more: Any) -> bytes:
    return text_event(kind, encode_json({"type": kind, **more}))


def _message(body: shapes.MessagesBody, exchange: Exchange, **more: Any) -> dict[str, Any]:
    head = {"id": f"msg_{exchange.id}", "type": "message", "role": "assistant"}
    return {**head, "model": body.model, "stop_reason": None, "stop_sequence": None, **more}


def _blocks(answer: Whole, thinks: bool) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if answer.reasoning and thinks:
        blocks.append({"type": "thinking", "thinking": answer.reasoning, "signature": ""})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    for call in answer.tool_calls:
        try:
            given = msgspec.json.decode(call.arguments or "{}")
        except msgspec.DecodeError:  # cut off in the middle
            given = {}
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": given})
    return blocks


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.input_tokens - usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "cache_creation_input_tokens": 0,
    }
