"""Anthropic's requests as Byzer Lab's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from byzer_lab.gateway.anthropic import shapes
from byzer_lab.gateway.openai.reading import check_tools, read_choice, refused
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
from byzer_lab.web import encode_json

CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def read_messages(body: shapes.Asked) -> list[Message]:
    """A conversation, its system text first."""
    system = body.system
    if isinstance(system, list):
        system = "\n".join(block.text for block in system)
    turns = [Message("system", system)] if system else []
    for number, turn in enumerate(body.messages):
        turns += _turn(turn, f"messages[{number}].content")
    return turns


def _turn(turn: shapes.Turn, place: str) -> list[Message]:
    if isinstance(turn.content, str):
        return [Message(turn.role, turn.content)]
    found: list[Message] = []
    parts: list[Part] = []
    calls: list[ToolCall] = []
    for number, block in enumerate(turn.content):
        match block:
            case shapes.ToolResultBlock():
                text = _content(_parts(block.content))
                if not isinstance(text, str):
                    raise refused(f"{place}[{number}]", "a tool's result is a text here.")
                found.append(Message("tool", text, tool_call_id=block.tool_use_id))
            case shapes.ToolUseBlock():
                calls.append(ToolCall(block.id, block.name, encode_json(block.input).decode()))
            case shapes.TextBlock() | shapes.ImageBlock():
                parts += _parts([block])
            case _:
                pass  # what a model thought is not sent to it again
    if parts or calls or not found:
        found.append(Message(turn.role, _content(parts), calls))
    return found


def _parts(content: str | Sequence[shapes.TextBlock | shapes.ImageBlock]) -> list[Part]:
    if isinstance(content, str):
        return [TextPart(content)]
    return [
        TextPart(block.text)
        if isinstance(block, shapes.TextBlock)
        else ImagePart(ImageUrl(_address(block.source)))
        for block in content
    ]


def _address(source: shapes.ImageSource) -> str:
    return source.url if source.type == "url" else f"data:{source.media_type};base64,{source.data}"


def _content(parts: list[Part]) -> str | list[Part]:
    texts = [part for part in parts if isinstance(part, TextPart)]
    return "\n".join(part.text for part in texts) if len(texts) == len(parts) else parts


def read_tools(body: shapes.Asked) -> list[Tool]:
    """The tools that the model may call."""
    for number, tool in enumerate(body.tools or []):
        if tool.type not in (None, "custom"):
            raise refused(f"tools[{number}].type", f"{tool.type!r} is a tool of Anthropic's own.")
    tools = [Tool(one.name, one.description, one.input_schema) for one in body.tools or []]
    check_tools(tools, "tools[{}]")
    return tools


def read_request(
    body: shapes.MessagesBody, request_id: str, adapter: str | None
) -> GenerateRequest:
    """What a body asks the model."""
    tools = read_tools(body)
    choice = body.tool_choice or shapes.ToolChoice("auto")
    sampling = Sampling(
        max_tokens=body.max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=body.stop_sequences,
    )
    if "" in (sampling.stop or ()):
        raise refused("stop_sequences", "a stop text can't be empty.")
    check_generation(sampling)
    named = choice.name if choice.type == "tool" else CHOICES[choice.type]
    return GenerateRequest(
        request_id=request_id,
        messages=read_messages(body),
        sampling=sampling,
        adapter=adapter,
        response_schema=_schema(body.output_config),
        tools=tools,
        tool_choice=read_choice(named, tools),
        parallel_tool_calls=not choice.disable_parallel_tool_use,
    )


def _schema(config: dict[str, Any] | None) -> dict[str, Any] | None:
    form = (config or {}).get("format")
    if form is None:
        return None
    schema = form.get("schema") if isinstance(form, dict) else None
    if not isinstance(schema, dict):
        raise refused("output_config.format", "it needs the type json_schema and a schema.")
    return schema
