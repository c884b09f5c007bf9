"""What tests of tools share: tools, conversations with calls, the calls of an answer."""

from __future__ import annotations

from typing import Any

from byzer_lab.types import Chunk, GenerateRequest, Message, Tool, ToolCall

WEATHER = Tool(
    "get_weather",
    "Weather of a place.",
    {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "Where."}},
        "required": ["location"],
    },
)
NOW = Tool("now", "The time.")
STORY: dict[str, Any] = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "maxLength": 20, "default": "None"},
        "pages": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
        "kind": {"$ref": "#/$defs/Kind", "description": "Which."},
    },
    "required": ["title"],
    "$defs": {"Kind": {"enum": ["tale", "report"], "type": "string"}},
}
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "leaves": {"type": "array", "items": {"$ref": "#/$defs/Tree"}},
    },
    "$defs": {
        "Tree": {
            "type": "object",
            "properties": {"leaves": {"type": "array", "items": {"$ref": "#/$defs/Tree"}}},
        }
    },
}
ASKED = [
    Message("user", "Weather in Paris, and the time?"),
    Message(
        "assistant",
        tool_calls=[
            ToolCall("call_1", "get_weather", '{"location": "Paris"}'),
            ToolCall("call_2", "now", "{}"),
        ],
    ),
    Message("tool", "sunny", tool_call_id="call_1"),
    Message("tool", '{"hour": 12}', tool_call_id="call_2"),
    Message("user", "Thanks."),
]


def with_tools(*tools: Tool, **fields: Any) -> GenerateRequest:
    """A question with tools."""
    given = list(tools) or [WEATHER, NOW]
    turns = fields.pop("messages", [Message("user", "Weather in Paris?")])
    return GenerateRequest("r", turns, tools=given, **fields)


def with_schema(schema: dict[str, Any], **fields: Any) -> GenerateRequest:
    """A question whose answer is to fit a schema."""
    return GenerateRequest("r", [Message("user", "A story!")], response_schema=schema, **fields)


def called(chunks: list[Chunk]) -> list[tuple[str, str, str]]:
    """Id, name and arguments of each call of an answer; each names itself once, in its order."""
    calls: list[tuple[str, str, str]] = []
    for delta in (delta for chunk in chunks for delta in chunk.tool_calls):
        if delta.index == len(calls):
            assert delta.id
            assert delta.name
            calls.append((delta.id, delta.name, delta.arguments))
        else:
            assert (delta.id, delta.name) == ("", "")
            identity, name, arguments = calls[delta.index]
            calls[delta.index] = (identity, name, arguments + delta.arguments)
    return calls
