"""Tool specifications, and the tools that the documentation uses."""

from __future__ import annotations

import json
from typing import Any

Call = tuple[str, dict[str, Any]]


def call_text(name: str, arguments: dict[str, Any]) -> str:
    """The text of a tool call, as the chat template renders it."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def function_spec(
    name: str, description: str, properties: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """A function in the shape of OpenAI's API."""
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


DATE_RANGE = function_spec(
    "compute_date_range",
    "计算日期范围",
    {
        "count": {"type": "integer", "description": "时间跨度，数值类型"},
        "unit": {
            "type": "string",
            "description": "时间单位，字符串类型",
            "enum": ["day", "week", "month", "year"],
        },
    },
)
NOW = function_spec("compute_now", "计算当前时间", {})
WEATHER = function_spec(
    "get_weather",
    "Get the weather of a city.",
    {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
)
ADD = function_spec("add", "Add two numbers.", {"a": {"type": "number"}, "b": {"type": "number"}})
CONVERT = function_spec(
    "convert_currency",
    "Convert money.",
    {"amount": {"type": "number"}, "from": {"type": "string"}, "to": {"type": "string"}},
)
KNOWN = (DATE_RANGE, NOW, WEATHER, ADD, CONVERT)
