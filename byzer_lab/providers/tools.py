"""Tools, and answers that are to fit a schema: what a request asks, and the calls of an answer."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.providers.schemas import Rules, closed
from byzer_lab.types import (
    TOOL_CHOICES,
    Chunk,
    FinishReason,
    GenerateRequest,
    Message,
    Tool,
    ToolCallDelta,
)

if TYPE_CHECKING:
    from byzer_lab.providers.base import Provider
    from byzer_lab.providers.presets import Structured

ANSWER, ANSWERS = "answer", "Gives the answer to the user; it is called exactly once."
"""The tool that a model is made to call where a tool call is how its answer fits a schema."""


@dataclass(frozen=True)
class Wanted:
    """What a request asks for beside text.

    Attributes:
        tools: What the model may call; none where it must not.
        choice: ``auto``, ``none``, ``required``, or the name of a tool.
        parallel: It may call several at a time.
        schema: What the answer is to fit, unless a tool call makes it so.
        mode: How it is made to.
    """

    tools: list[Tool]
    choice: str
    parallel: bool
    schema: dict[str, Any] | None
    mode: Structured

    @property
    def named(self) -> str:
        """The one tool that must be called; empty where none is named."""
        return "" if self.choice in TOOL_CHOICES else self.choice

    @property
    def answers_by_tool(self) -> bool:
        """The arguments of the call are the answer's text."""
        return self.mode == "tool"


def wanted(provider: Provider, request: GenerateRequest) -> Wanted:
    """What a request asks for, where the provider's model can do it.

    Args:
        provider: Who is asked.
        request: The caller's.

    Raises:
        InvalidRequestError: It can't, or the tools are none.
    """
    model = request.sampling.options.get("model") or provider.model
    mode: Structured = ""
    if request.response_schema is not None:
        mode = provider.structured(model)
        if not mode:
            raise InvalidRequestError(
                f"{provider.type} can't hold answers of {model} to a schema; leave the schema out, "
                "and ask for JSON in the prompt."
            )
    asked = Wanted(
        request.tools,
        request.tool_choice,
        request.parallel_tool_calls,
        request.response_schema,
        mode,
    )
    if not provider.takes_tools(model):
        refuse_tool_turns(provider, request.messages or [])
    if request.tools:
        asked = _allowed(provider, model, asked)
    if asked.answers_by_tool:
        asked = _by_tool(provider, asked)
    return asked


def _allowed(provider: Provider, model: str, asked: Wanted) -> Wanted:
    names = [tool.name for tool in asked.tools]
    if not provider.takes_tools(model):
        raise InvalidRequestError(f"{provider.type} can't give tools to {model}; leave them out.")
    if len(set(names)) != len(names):
        raise InvalidRequestError(f"Two tools have the same name: {', '.join(sorted(names))}.")
    if asked.choice not in (*TOOL_CHOICES, *names):
        raise InvalidRequestError(
            f"tool_choice is {asked.choice!r}; it must be {', '.join(TOOL_CHOICES)} or one of the "
            f"tools: {', '.join(names)}."
        )
    takes = provider.abilities.tool_choices
    if asked.choice == "required" and "required" not in takes and len(names) == 1:
        asked = replace(asked, choice=names[0])
    if asked.choice == "none" and "none" not in takes:
        return replace(asked, tools=[], choice="auto")
    kind = asked.choice if asked.choice in TOOL_CHOICES else "named"
    if kind not in takes:
        what = "any tool" if kind == "required" else asked.choice
        raise InvalidRequestError(
            f"{provider.type} can't make a model call {what}; leave tool_choice out."
        )
    return asked


def _by_tool(provider: Provider, asked: Wanted) -> Wanted:
    """The same as a call of one tool, whose arguments are the answer."""
    if asked.tools:
        raise InvalidRequestError(
            f"{provider.type} holds an answer of this model to a schema by a tool of its own, so "
            "there can be no others; leave the tools or the schema out."
        )
    tool = Tool(ANSWER, ANSWERS, need_object(provider, asked.schema or {}))
    return replace(asked, tools=[tool], choice=tool.name, schema=None, parallel=False)


def need_object(provider: Provider, schema: dict[str, Any]) -> dict[str, Any]:
    """A schema, which is one of objects.

    Raises:
        InvalidRequestError: It is one of something else.
    """
    if schema.get("type") == "object":
        return schema
    raise InvalidRequestError(
        f"{provider.type} holds answers to schemas of objects; put what you want into an object "
        "with one property."
    )


def need_closed(provider: Provider, schema: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """A schema as a provider takes it.

    Raises:
        InvalidRequestError: It can't be said so.
    """
    found = closed(need_object(provider, schema), rules)
    if found is None:
        raise InvalidRequestError(
            f"{provider.type} holds answers to schemas whose objects name their keys and don't "
            "contain themselves; leave the schema out, and ask for JSON in the prompt."
        )
    return found


def parameters_of(tool: Tool) -> dict[str, Any]:
    """The schema of a tool's arguments; that of no arguments where it has none."""
    return tool.parameters or {"type": "object", "properties": {}}


def arguments_of(provider: Provider, name: str, arguments: str) -> dict[str, Any]:
    """The arguments of a call in a conversation, for providers that take them as JSON.

    Raises:
        InvalidRequestError: They are no JSON object.
    """
    try:
        found = json.loads(arguments or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InvalidRequestError(
            f"{provider.type} takes arguments that are a JSON object; in the conversation {name} "
            f"was called with {arguments[:100]!r}."
        )
    return found


def refuse_tool_turns(provider: Provider, messages: list[Message]) -> None:
    """Refuse a conversation with tools, for a provider or a model that has none.

    Raises:
        InvalidRequestError: A tool was called in it.
    """
    if any(message.role == "tool" or message.tool_calls for message in messages):
        raise InvalidRequestError(
            f"{provider.type} knows no tools here, and there are calls in the conversation; leave "
            "those turns out."
        )


def grouped(messages: list[Message]) -> Iterator[list[Message]]:
    """The turns of a conversation: results of tools that follow each other are one."""
    results: list[Message] = []
    for message in messages:
        if message.role == "tool":
            results.append(message)
            continue
        if results:
            yield results
            results = []
        yield [message]
    if results:
        yield results


def turns_of(
    messages: list[Message],
    write: Callable[[Message], dict[str, Any]],
    result: Callable[[Message], dict[str, Any]],
) -> list[dict[str, Any]]:
    """A conversation without its system message, for providers where the user tells results.

    Args:
        messages: The conversation.
        write: Writes a turn.
        result: Writes the result of a tool, as a block of the user's turn.
    """
    return [
        {"role": "user", "content": [result(one) for one in turn]}
        if turn[0].role == "tool"
        else write(turn[0])
        for turn in grouped(messages)
        if turn[0].role != "system"
    ]


def as_text(messages: list[Message]) -> list[Message]:
    """The same conversation with calls and results as texts, where they have no form of their own.

    A call is JSON in the assistant's turn, a result a turn of the user.
    """
    written = []
    for message in messages:
        if message.tool_calls:
            calls = [{"name": one.name, "arguments": one.arguments} for one in message.tool_calls]
            text = json.dumps({"tool_calls": calls}, ensure_ascii=False)
            written.append(Message("assistant", "\n".join(filter(None, (message.text, text)))))
        elif message.role == "tool":
            written.append(Message("user", message.text))
        else:
            written.append(message)
    return written


class Calls:
    """The tool calls of one answer, as its pieces come.

    Args:
        asked: By the request.
        one: The provider can't be told to call one tool at a time, so further calls are dropped
            where several are not wanted.
    """

    def __init__(self, asked: Wanted, *, one: bool = False) -> None:
        self._asked = asked
        self._only_first = one and not asked.parallel
        self._keys: list[Any] = []
        self._ids: dict[Any, str] = {}
        self._begun: list[bool] = []

    def __len__(self) -> int:
        return len(self._keys)

    def begin(self, key: Any, name: str, call_id: str = "", arguments: str = "") -> Iterator[Chunk]:
        """The first piece of a call.

        Args:
            key: Names the call in later pieces.
            name: Of the tool.
            call_id: As the provider has it; one is made where it has none.
            arguments: What there is of them.
        """
        self._keys.append(key)
        self._ids[key] = call_id
        self._begun.append(False)
        place = len(self._keys) - 1
        if self._asked.answers_by_tool:
            yield from self.more(key, arguments)
        elif place == 0 or not self._only_first:
            self._begun[place] = bool(arguments)
            identity = call_id or f"call_{uuid.uuid4().hex[:24]}"
            yield _chunk(ToolCallDelta(place, identity, name, arguments))

    def knows(self, key: Any) -> bool:
        """Whether the first piece of a call has come."""
        return key in self._keys

    def id_of(self, key: Any) -> str:
        """The provider's id of a call; empty where it has none, or has not begun."""
        return self._ids.get(key, "")

    @property
    def latest(self) -> Any:
        """The key of the call that began last; ``None`` where there is none."""
        return self._keys[-1] if self._keys else None

    def more(self, key: Any, arguments: str) -> Iterator[Chunk]:
        """A further piece of a call's arguments."""
        place = self._keys.index(key)
        if not arguments or (place > 0 and (self._only_first or self._asked.answers_by_tool)):
            return
        self._begun[place] = True
        if self._asked.answers_by_tool:
            yield Chunk(text=arguments, tokens=1)
        else:
            yield _chunk(ToolCallDelta(place, arguments=arguments))

    def end(self, finish: FinishReason) -> Iterator[Chunk]:
        """What is missing: a call without arguments has an empty object of them, unless the answer
        was cut there."""
        if finish != "tool_calls":
            return
        for key, begun in zip(list(self._keys), list(self._begun), strict=True):
            if not begun:
                yield from self.more(key, "{}")

    def finish(self, reason: FinishReason) -> FinishReason:
        """Our word for the end, given that of the answer's text."""
        called = bool(self._keys) and not self._asked.answers_by_tool
        if reason == "tool_calls" or (called and reason == "stop"):
            return "tool_calls" if called else "stop"
        return reason


def _chunk(delta: ToolCallDelta) -> Chunk:
    return Chunk(tool_calls=[delta], tokens=1)
