"""A body of ``POST /v1/responses`` as Byzer Lab's request."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from byzer_lab.gateway.openai import responses_shapes as shapes
from byzer_lab.gateway.openai.reading import check_tools, read_choice, refused
from byzer_lab.gateway.openai.shapes import JsonFormat
from byzer_lab.generation import check_generation
from byzer_lab.types import (
    GenerateRequest,
    ImagePart,
    ImageUrl,
    Message,
    Part,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
)

T = TypeVar("T")
KEPT_ELSEWHERE = ("previous_response_id", "conversation", "background", "prompt")
"""What needs answers or prompts that a service keeps; this server keeps none."""
LOGPROBS = "message.output_text.logprobs"


def read_request(
    body: shapes.ResponsesBody, request_id: str, adapter: str | None
) -> GenerateRequest:
    """What a body asks the model."""
    for name in KEPT_ELSEWHERE:
        if getattr(body, name):
            raise refused(name, "nothing is kept on this server; send the whole conversation.")
    effort = body.reasoning.effort if body.reasoning else None
    sampling = Sampling(
        max_tokens=body.max_output_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        logprobs=wanted_logprobs(body),
        options={} if effort is None else {"reasoning_effort": effort},
    )
    check_generation(sampling)
    tools = _tools(body)
    choice = body.tool_choice
    if isinstance(choice, shapes.FlatAllowedTools):
        allowed = [str(one.get("name")) for one in choice.tools]
        for allowed_name in allowed:
            read_choice(allowed_name, tools)
        tools = [tool for tool in tools if tool.name in allowed]
        choice = choice.mode
    named = choice.name if isinstance(choice, shapes.FlatNamedTool) else choice
    return GenerateRequest(
        request_id=request_id,
        messages=_messages(body),
        sampling=sampling,
        adapter=adapter,
        response_schema=_schema(body.text),
        tools=tools,
        tool_choice=read_choice(named, tools),
        parallel_tool_calls=body.parallel_tool_calls is not False,
    )


def wanted_logprobs(body: shapes.ResponsesBody) -> int | None:
    """How many likeliest tokens are asked for."""
    asked = body.top_logprobs is not None or LOGPROBS in (body.include or [])
    return body.top_logprobs or 0 if asked else None


def _tools(body: shapes.ResponsesBody) -> list[Tool]:
    for number, one in enumerate(body.tools or []):
        if one.type != "function":
            raise refused(f"tools[{number}].type", f"{one.type!r} is a tool of OpenAI's own.")
    tools = [Tool(t.name, t.description or "", t.parameters or {}) for t in body.tools or []]
    check_tools(tools, "tools[{}]")
    return tools


def _schema(text: shapes.TextConfig | None) -> dict[str, Any] | None:
    form = text.format if text else None
    if isinstance(form, shapes.FlatSchema):
        return form.schema
    return {"type": "object"} if isinstance(form, JsonFormat) else None


def _messages(body: shapes.ResponsesBody) -> list[Message]:
    found = [Message("system", body.instructions)] if body.instructions else []
    if isinstance(body.input, str):
        return [*found, Message("user", body.input)]
    if not body.input:
        raise refused("input", "it is empty.")
    for number, item in enumerate(body.input):
        _add(found, item, f"input[{number}]")
    return found


def _add(found: list[Message], item: dict[str, Any], place: str) -> None:
    kind = item.get("type", "message")
    if kind == "message":
        message = _convert(item, shapes.MessageItem, place)
        role = "system" if message.role == "developer" else message.role
        found.append(Message(role, _content(message.content, place)))
    elif kind == "function_call":
        call = _convert(item, shapes.CallItem, place)
        last = found[-1] if found else None
        if last is None or last.role != "assistant":
            last = Message("assistant")
            found.append(last)
        last.tool_calls = [*last.tool_calls, ToolCall(call.call_id, call.name, call.arguments)]
    elif kind == "function_call_output":
        result = _convert(item, shapes.ResultItem, place)
        text = result.output
        if not isinstance(text, str):
            text = "\n".join(part.text for part in text)
        found.append(Message("tool", text, tool_call_id=result.call_id))
    elif kind != "reasoning":  # what a model thought is not sent to it again
        raise refused(f"{place}.type", f"{kind!r} is not accepted here.")


def _content(content: str | list[Any], place: str) -> str | list[Part]:
    if isinstance(content, str):
        return content
    parts: list[Part] = []
    for number, part in enumerate(content):
        if isinstance(part, shapes.InputImage):
            if not part.image_url:
                raise refused(f"{place}.content[{number}]", "send the picture as image_url.")
            parts.append(ImagePart(ImageUrl(part.image_url, part.detail)))
        elif isinstance(part, shapes.InputRefusal):
            parts.append(TextPart(part.refusal))
        else:
            parts.append(TextPart(part.text))
    texts = [part for part in parts if isinstance(part, TextPart)]
    return "\n".join(part.text for part in texts) if len(texts) == len(parts) else parts


def _convert(item: dict[str, Any], kind: type[T], place: str) -> T:
    given = {name: value for name, value in item.items() if name != "type"}
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise refused(place, f"{error}.") from error
