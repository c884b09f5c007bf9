"""``POST /v1/chat/completions``.

https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

from starlette.responses import Response

from byzer_lab.gateway.asking import Whole, chunks_of, several, wholes
from byzer_lab.gateway.handling import Handler, Stream
from byzer_lab.gateway.openai import shapes, writing
from byzer_lab.gateway.openai.reading import (
    read_choice,
    read_format,
    read_sampling,
    read_tools,
    read_turns,
    refused,
)
from byzer_lab.gateway.service import Exchange
from byzer_lab.types import Chunk, GenerateRequest, ToolCallDelta
from byzer_lab.web import json_response


class ChatCompletions(Handler[shapes.ChatBody]):
    """The endpoint."""

    path = "/v1/chat/completions"
    summary = "Answer a conversation."
    body = shapes.ChatBody
    example = {"model": "NAME", "messages": [{"role": "user", "content": "Hello"}]}

    async def answer(self, body: shapes.ChatBody, exchange: Exchange) -> Response | Stream:
        name, adapter = self.service.find(body.model, exchange)
        request = read_chat(body, exchange, adapter)
        requests = several(request, body.n or 1)
        if body.stream:
            return Stream(self._events(body, name, requests, exchange))
        answers = await wholes(self.service, name, requests, exchange)
        return json_response(self._completion(body, answers, exchange))

    def _completion(
        self, body: shapes.ChatBody, answers: list[Whole], exchange: Exchange
    ) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{exchange.id}",
            "object": "chat.completion",
            "created": exchange.created,
            "model": body.model,
            "choices": [
                {
                    "index": number,
                    "message": self._message(body, answer),
                    "logprobs": writing.logprobs(answer.logprobs, _wanted(body)),
                    "finish_reason": _finish(body, answer.finish),
                }
                for number, answer in enumerate(answers)
            ],
            "usage": writing.usage(exchange.usage),
            "system_fingerprint": None,
        }

    def _message(self, body: shapes.ChatBody, answer: Whole) -> dict[str, Any]:
        calls = [writing.tool_call(call) for call in answer.tool_calls]
        message: dict[str, Any] = {
            "role": self.service.response_role,
            "content": None if calls and not answer.text else answer.text,
            "refusal": None,
        }
        if answer.reasoning:
            message["reasoning_content"] = answer.reasoning
        if calls and body.functions:
            message["function_call"] = calls[0]["function"]
        elif calls:
            message["tool_calls"] = calls
        return message

    async def _events(
        self, body: shapes.ChatBody, name: str, requests: list[GenerateRequest], exchange: Exchange
    ) -> AsyncGenerator[bytes]:
        counted = bool(body.stream_options and body.stream_options.include_usage)

        def event(choices: list[dict[str, Any]], **more: Any) -> bytes:
            chunk = {
                "id": f"chatcmpl-{exchange.id}",
                "object": "chat.completion.chunk",
                "created": exchange.created,
                "model": body.model,
                "system_fingerprint": None,
                "choices": choices,
            }
            return writing.event(chunk | ({"usage": None} if counted else {}) | more)

        begun: set[int] = set()
        chunks = chunks_of(self.service, name, requests, exchange)
        async with contextlib.aclosing(chunks):
            async for number, chunk in chunks:
                delta = _delta(body, chunk)
                if number not in begun:
                    begun.add(number)
                    first = {"role": self.service.response_role, "content": "", "refusal": None}
                    yield event([_choice(number, first)])
                if delta or chunk.logprobs:
                    found = writing.logprobs(chunk.logprobs, _wanted(body))
                    yield event([_choice(number, delta, found)])
                if chunk.finish_reason:
                    finish = _finish(body, chunk.finish_reason)
                    yield event([_choice(number, {}, None, finish)])
        if counted:
            yield event([], usage=writing.usage(exchange.usage))
        yield writing.DONE


def read_chat(body: shapes.ChatBody, exchange: Exchange, adapter: str | None) -> GenerateRequest:
    """What a body asks the model."""
    if (body.modalities or ["text"]) != ["text"] or body.audio:
        raise refused("modalities", "models answer with text here; for sound use /v1/audio/speech.")
    if body.web_search_options is not None:
        raise refused("web_search_options", "no model here searches the web; leave it out.")
    if body.top_logprobs is not None and not body.logprobs:
        raise refused("top_logprobs", "it is allowed with 'logprobs': true only.")
    if body.functions and body.tools:
        raise refused("functions", "give tools or functions, not both.")
    tools = read_tools(body.functions or [tool.function for tool in body.tools or []])
    choice = body.tool_choice
    if isinstance(choice, shapes.AllowedTools):
        allowed = [one.get("function", {}).get("name") for one in choice.allowed_tools.tools]
        for name in allowed:
            read_choice(name, tools)
        tools = [tool for tool in tools if tool.name in allowed]
        choice = choice.allowed_tools.mode
    named = choice.function.name if isinstance(choice, shapes.NamedTool) else choice
    if body.function_call is not None:
        old = body.function_call
        named = old.name if isinstance(old, shapes.Named) else old
    options = {} if body.reasoning_effort is None else {"reasoning_effort": body.reasoning_effort}
    return GenerateRequest(
        request_id=exchange.id,
        messages=read_turns(body.messages),
        sampling=read_sampling(body, _most(body), logprobs=_wanted(body), options=options),
        adapter=adapter,
        response_schema=read_format(body.response_format),
        tools=tools,
        tool_choice=read_choice(named, tools),
        parallel_tool_calls=body.parallel_tool_calls is not False and not body.functions,
    )


def _most(body: shapes.ChatBody) -> int | None:
    given = {body.max_tokens, body.max_completion_tokens} - {None}
    if len(given) > 1:
        raise refused("max_tokens", "max_completion_tokens says something else; give one of them.")
    return next(iter(given), None)


def _wanted(body: shapes.ChatBody) -> int | None:
    """How many likeliest tokens are asked for."""
    return body.top_logprobs or 0 if body.logprobs else None


def _finish(body: shapes.ChatBody, reason: str) -> str:
    called = reason == "tool_calls" and body.functions
    return "function_call" if called else writing.finish_reason(reason)


def _choice(
    number: int,
    delta: dict[str, Any],
    logprobs: dict[str, Any] | None = None,
    finish: str | None = None,
) -> dict[str, Any]:
    return {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def _delta(body: shapes.ChatBody, chunk: Chunk) -> dict[str, Any]:
    delta: dict[str, Any] = {}
    if chunk.reasoning:
        delta["reasoning_content"] = chunk.reasoning
    if chunk.text:
        delta["content"] = chunk.text
    if chunk.tool_calls and body.functions:
        delta["function_call"] = _piece(chunk.tool_calls[0])["function"]
    elif chunk.tool_calls:
        delta["tool_calls"] = [_piece(piece) for piece in chunk.tool_calls]
    return delta


def _piece(piece: ToolCallDelta) -> dict[str, Any]:
    function = {"arguments": piece.arguments}
    if not piece.id and not piece.name:
        return {"index": piece.index, "function": function}
    head = {"index": piece.index, "id": piece.id, "type": "function"}
    return {**head, "function": {"name": piece.name, **function}}
