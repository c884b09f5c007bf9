"""Calls that a model wrote as text, where its engine has no tools of its own."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from typing import Any

from byzer_lab.client.typed.parsing import json_values, without_thoughts
from byzer_lab.tagged_calls import tagged_calls
from byzer_lab.types import ToolCall

_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.S)


def new_id() -> str:
    """The id of a call that came without one."""
    return f"call_{secrets.token_hex(8)}"


def calls_in(
    text: str,
    names: list[str],
    *,
    whole: bool = True,
    schemas: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[ToolCall]:
    """The calls in an answer.

    Args:
        text: The answer: ``{"tool_calls": [...]}``, a list of calls, one call, each alone or in a
            code block; ``<tool_call>`` elements; or ``<function=NAME>`` elements with parameters
            as tags (:mod:`byzer_lab.tagged_calls`).
        names: Of the tools. JSON without a tool's name in the place of a name is prose; with
            ``tool_calls`` around it, it is a call of an unknown tool.
        whole: Nothing was cut off, so that what is nearly JSON may be repaired.
        schemas: Of the tools' arguments, by name: they say which parameters in tags are texts.

    Returns:
        The calls; empty where the answer is prose.
    """
    text = without_thoughts(text)  # which may weigh calls that it then doesn't make
    found = [
        ToolCall(new_id(), name, json.dumps(arguments, ensure_ascii=False))
        for name, arguments in tagged_calls(text, schemas or {})
    ]
    if found:
        return found
    for tagged in _TAGGED.findall(text):
        value = next(json_values(tagged, whole=whole), None)
        found += _calls(value, names, sure=True)
    if found:
        return found
    for value in json_values(text, whole=whole):
        if calls := list(_calls(value, names, sure=False)):
            return calls
    return []


def _calls(value: Any, names: list[str], *, sure: bool) -> Iterator[ToolCall]:
    if isinstance(value, list):
        for item in value:
            yield from _calls(item, names, sure=sure)
        return
    if not isinstance(value, dict):
        return
    if isinstance(value.get("tool_calls"), list):
        yield from _calls(value["tool_calls"], names, sure=True)
        return
    function = value["function"] if isinstance(value.get("function"), dict) else value
    name = function.get("name")
    if not isinstance(name, str) or not (sure or name in names):
        return
    arguments = function.get("arguments", function.get("parameters", {}))
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    yield ToolCall(str(value.get("id") or new_id()), name, arguments)
