"""Tools and schemas in OpenAI's format.

https://platform.openai.com/docs/guides/function-calling and
https://platform.openai.com/docs/guides/structured-outputs
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from byzer_lab.providers.schemas import OPENAI, closed
from byzer_lab.providers.tools import Calls, Wanted, need_object, parameters_of
from byzer_lab.types import Chunk, Message

if TYPE_CHECKING:
    from byzer_lab.providers.openai_wire.engine import OpenAIWire

NAME = "answer"
"""A schema must have a name."""


def turn(message: Message) -> dict[str, Any]:
    """A turn of a conversation."""
    content = msgspec.to_builtins(message.content)
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": message.text}
    if not message.tool_calls:
        return {"role": message.role, "content": content}
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for call in message.tool_calls
    ]
    return {"role": message.role, "content": content or None, "tool_calls": calls}


def tool_fields(engine: OpenAIWire, asked: Wanted) -> dict[str, Any]:
    """What a body says of tools and of the answer's form; nothing where nothing is asked.

    Raises:
        InvalidRequestError: The schema is not one of objects.
    """
    fields: dict[str, Any] = {}
    if asked.tools:
        fields["tools"] = [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    **({"description": tool.description} if tool.description else {}),
                    "parameters": parameters_of(tool),
                },
            }
            for tool in asked.tools
        ]
        if engine.tool_switch:
            fields[engine.tool_switch] = True
        if asked.named:
            fields["tool_choice"] = {"type": "function", "function": {"name": asked.named}}
        elif asked.choice != "auto":
            fields["tool_choice"] = asked.choice
        if not asked.parallel and engine.abilities.parallel_option:
            fields["parallel_tool_calls"] = False
    if asked.schema is not None:
        schema = need_object(engine, asked.schema)
        fields["response_format"] = {"type": "json_object"}
        if asked.mode == "json_schema":
            fields["response_format"] = {"type": "json_schema", "json_schema": _format(schema)}
    return fields


def _format(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema by its name; strict where it can be: else the provider only tries."""
    strict = closed(schema, OPENAI)
    return {"name": NAME, "strict": strict is not None, "schema": strict or schema}


def call_pieces(calls: Calls, told: list[dict[str, Any]]) -> Iterator[Chunk]:
    """The chunks of ``tool_calls``, in the several ways in which providers cut them.

    Some give no index, some repeat name and id in each piece, some send objects as arguments.
    """
    for piece in told:
        function = piece.get("function") or {}
        name, identity = function.get("name") or "", piece.get("id") or ""
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        key = piece.get("index", identity or None)
        if name and identity and calls.id_of(key) not in ("", identity):
            key = identity  # another call with the same index
        if key is None and not name:
            key = calls.latest
        if calls.knows(key):
            yield from calls.more(key, arguments)
        elif name:
            yield from calls.begin(object() if key is None else key, name, identity, arguments)
        else:
            raise ValueError("a tool call begins without a name")
