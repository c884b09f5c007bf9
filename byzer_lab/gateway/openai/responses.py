"""``POST /v1/responses``. Nothing is kept: each request carries the whole conversation.

https://platform.openai.com/docs/api-reference/responses
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from starlette.responses import Response

from byzer_lab.gateway.asking import chunks_of
from byzer_lab.gateway.handling import Handler, Stream, text_event
from byzer_lab.gateway.openai.responses_items import Items
from byzer_lab.gateway.openai.responses_reading import read_request, wanted_logprobs
from byzer_lab.gateway.openai.responses_shapes import ResponsesBody
from byzer_lab.gateway.service import Exchange
from byzer_lab.types import GenerateRequest, Usage
from byzer_lab.web import encode_json, json_response

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


class Responses(Handler[ResponsesBody]):
    """The endpoint."""

    path = "/v1/responses"
    summary = "Answer a conversation, in the form of OpenAI's Responses."
    body = ResponsesBody
    example = {"model": "NAME", "input": "Hello"}

    async def answer(self, body: ResponsesBody, exchange: Exchange) -> Response | Stream:
        name, adapter = self.service.find(body.model, exchange)
        request = read_request(body, exchange.id, adapter)
        if body.stream:
            return Stream(self._events(body, name, request, exchange))
        items, finish = Items(exchange.id, wanted_logprobs(body)), "stop"
        chunks = chunks_of(self.service, name, [request], exchange)
        async with contextlib.aclosing(chunks):
            async for _, chunk in chunks:
                items.feed(chunk)
                finish = chunk.finish_reason or finish
        items.end()
        return json_response(_response(body, exchange, items.output, finish))

    async def _events(
        self, body: ResponsesBody, name: str, request: GenerateRequest, exchange: Exchange
    ) -> AsyncGenerator[bytes]:
        items, finish, number = Items(exchange.id, wanted_logprobs(body)), "stop", 0

        def event(given: dict[str, Any]) -> bytes:
            nonlocal number
            whole = {**given, "sequence_number": number}
            number += 1
            return text_event(given["type"], encode_json(whole))

        begun = False
        chunks = chunks_of(self.service, name, [request], exchange)
        async with contextlib.aclosing(chunks):
            async for _, chunk in chunks:
                if not begun:
                    begun = True
                    response = _response(body, exchange, [], None)
                    yield event({"type": "response.created", "response": response})
                    yield event({"type": "response.in_progress", "response": response})
                for given in items.feed(chunk):
                    yield event(given)
                finish = chunk.finish_reason or finish
        for given in items.end():
            yield event(given)
        response = _response(body, exchange, items.output, finish)
        yield event({"type": f"response.{response['status']}", "response": response})


def _response(
    body: ResponsesBody, exchange: Exchange, output: list[dict[str, Any]], finish: str | None
) -> dict[str, Any]:
    """The answer; ``finish`` is ``None`` while it is being written."""
    reason = INCOMPLETE.get(finish or "")
    done = "incomplete" if reason else "completed"
    return {
        "id": f"resp_{exchange.id}",
        "object": "response",
        "created_at": exchange.created,
        "completed_at": int(time.time()) if finish and not reason else None,
        "status": done if finish else "in_progress",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "instructions": body.instructions,
        "max_output_tokens": body.max_output_tokens,
        "model": body.model,
        "output": output,
        "parallel_tool_calls": body.parallel_tool_calls is not False,
        "previous_response_id": None,
        "reasoning": msgspec.to_builtins(body.reasoning),
        "store": False,
        "temperature": body.temperature,
        "text": msgspec.to_builtins(body.text) or {"format": {"type": "text"}},
        "tool_choice": msgspec.to_builtins(body.tool_choice) or "auto",
        "tools": msgspec.to_builtins(body.tools or []),
        "top_p": body.top_p,
        "truncation": "disabled",
        "usage": _usage(exchange.usage) if finish else None,
        "metadata": body.metadata or {},
    }


def _usage(counts: Usage) -> dict[str, Any]:
    return {
        "input_tokens": counts.input_tokens,
        "input_tokens_details": {"cached_tokens": counts.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": counts.output_tokens,
        "output_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
        "total_tokens": counts.input_tokens + counts.output_tokens,
    }
