"""The grammar of a request: JSON of a schema, text, calls of tools, or one of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from byzer_lab.engines.structured.calls import CallFormat
from byzer_lab.engines.structured.schemas import held_parts, held_schema
from byzer_lab.engines.structured.tagged import tagged_rules
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import TOOL_CHOICES, GenerateRequest, Tool

# A model that never ends would call for ever.
_MOST_CALLS = 32
_NAME = re.compile(r"[A-Za-z0-9_.:-]+")
_THOUGHTS = ("<think>", "</think>")
SPECIAL = _THOUGHTS
"""Texts that a grammar may name and that may be tokens of their own, beside a format's marks."""


def grammar_of(
    request: GenerateRequest, calls: CallFormat | None, tokens: Mapping[str, int]
) -> str | None:
    """The grammar of a request in llguidance's form of Lark; ``None`` when anything may come.

    Args:
        request: The caller's.
        calls: How the model calls tools.
        tokens: Of the marks that are tokens of their own.

    Raises:
        InvalidRequestError: A schema can't be held, or a tool's name or choice is wrong.
    """
    chosen = offered_tools(request)
    schema = request.response_schema
    if not chosen and schema is not None:
        return _start(held_schema(schema))
    if calls is None and chosen:
        raise InvalidRequestError(
            "This model's chat template has no place for tools; leave tools out, or ask a model "
            "that was trained to call them."
        )
    if calls is None or not (chosen or calls.trigger):
        return None
    return _Grammar(request, chosen, calls, tokens).text()


def offered_tools(request: GenerateRequest) -> list[Tool]:
    """The tools that the answer may call.

    Raises:
        InvalidRequestError: A name or the choice is wrong.
    """
    names = [tool.name for tool in request.tools]
    for name in names:
        if not _NAME.fullmatch(name) or name in TOOL_CHOICES:
            raise InvalidRequestError(
                f"A tool can't be named {name!r}; a name has letters, digits, '_' and '-', and is "
                "none of auto, none and required."
            )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InvalidRequestError(f"Two tools are named {twice!r}; each needs a name of its own.")
    choice = request.tool_choice
    if choice in ("auto", "none"):
        return request.tools if choice == "auto" else []
    if not names:
        raise InvalidRequestError(f"tool_choice is {choice!r}, but the request has no tools.")
    if choice == "required":
        return request.tools
    if choice not in names:
        raise InvalidRequestError(
            f"tool_choice is {choice!r}; it must be auto, none, required or one of: "
            f"{', '.join(names)}."
        )
    return [tool for tool in request.tools if tool.name == choice]


def parts_of(request: GenerateRequest) -> Iterator[tuple[str, str]]:
    """Places in a request's schemas, innermost first, and a grammar of each alone."""
    found = list(held_parts(request.response_schema or {}, "#"))
    for tool in offered_tools(request):
        found += held_parts(_arguments(tool), _place(tool))
    for place, schema in reversed(found):
        yield place, _start(schema)


class _Grammar:
    def __init__(
        self,
        request: GenerateRequest,
        tools: list[Tool],
        calls: CallFormat,
        tokens: Mapping[str, int],
    ) -> None:
        self._request = request
        self._tools = tools
        self._calls = calls
        self._tokens = tokens
        self._rules: list[str] = []

    def text(self) -> str:
        calls, choice = self._calls, self._request.tool_choice
        rules = ["%llguidance {}"]
        if choice == "none":  # a model may well write a call of something it wasn't offered
            return "\n".join([*rules, *self._text(), "start: text"]) + "\n"
        one = " | ".join(self._call(number, tool) for number, tool in enumerate(self._tools))
        tail = self._literal(calls.after_arguments)
        more = ""
        named = choice not in ("auto", "required")
        if calls.several and self._request.parallel_tool_calls and not named:
            again = self._literal(calls.between + calls.before_name)
            more = f"({again} one {tail}){{0,{_MOST_CALLS - 1}}}"
        first = self._literal(calls.start[len(calls.trigger) :])
        begin = self._literal(calls.trigger)
        rules += [
            *self._rules,
            f"one: {one}",
            f"calls: {first} one {tail} {more} {self._literal(calls.closing)}",
        ]
        if choice != "auto":
            rules.append(f"start: {begin} calls")
        elif self._request.response_schema is not None:
            if not calls.trigger:
                raise InvalidRequestError(
                    "This model writes its calls as plain JSON, which can't be told from an "
                    "answer that fits response_schema; ask for one of the two."
                )
            rules.append(f"answer: {_json(held_schema(self._request.response_schema))}")
            rules.append(f"start: answer | {begin} calls")
        else:
            rules += self._free(begin)
        return "\n".join(rules) + "\n"

    def _free(self, begin: str) -> list[str]:
        """Text, or text and then calls."""
        trigger = self._calls.trigger
        if not trigger:
            return ["TEXT: /([^{](?s:.*))?/", "start: TEXT | calls"]
        if trigger in self._tokens:
            return [*self._text(), f"start: text | text {begin} calls"]
        return [
            *self._text(),
            f"begin[lazy]: TEXT {json.dumps(trigger)}",
            "start: text | begin calls",
        ]

    def _text(self) -> list[str]:
        """Text that holds no call, behind thoughts where the model has marks for them."""
        without = f"~/(?s:.*){_quoted(self._calls.trigger)}(?s:.*)/"
        text = "text: TEXT"
        if all(mark in self._tokens for mark in _THOUGHTS):
            opened, closed = (self._literal(mark) for mark in _THOUGHTS)
            text += f" | {opened}? TEXT {closed} TEXT"
        return [f"TEXT: /(?s:.*)/ & {without}", text]

    def _call(self, number: int, tool: Tool) -> str:
        if self._calls.tagged:
            written, rules = tagged_rules(number, _arguments(tool), _place(tool), self._literal)
            self._rules += rules
            return f"{self._literal(tool.name + self._calls.after_name)} {written}"
        held = held_schema(_arguments(tool), whole=_place(tool))
        return f"{self._literal(tool.name + self._calls.after_name)} {_json(held)}"

    def _literal(self, text: str) -> str:
        """A text as the grammar has it: tokens of their own by number, the rest in quotes."""
        marks = [mark for mark in self._calls.marks + SPECIAL if mark in self._tokens]
        parts = re.split(f"({'|'.join(map(re.escape, marks))})", text) if marks else [text]
        return " ".join(
            f"<[{self._tokens[part]}]>" if part in self._tokens else json.dumps(part)
            for part in parts
            if part
        )


def _quoted(text: str) -> str:
    return re.sub(r"([\[\]/(){}|.*+?^$\\])", r"\\\1", text)


def _json(schema: dict[str, Any]) -> str:
    return f"%json {json.dumps(schema)}"


def _start(schema: dict[str, Any]) -> str:
    return f"start: {_json(schema)}\n"


def _arguments(tool: Tool) -> dict[str, Any]:
    """The schema of a call's arguments."""
    return {"type": "object", "properties": {}, **tool.parameters}


def _place(tool: Tool) -> str:
    return f"tools/{tool.name}"
