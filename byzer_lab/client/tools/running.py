"""Runs the calls of an answer. What fails is told, the other calls are made all the same."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import json
import traceback
from collections.abc import AsyncIterable, Awaitable, Coroutine, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from byzer_lab.client.apart import run_apart
from byzer_lab.client.tools.tool import LocalTool
from byzer_lab.client.typed.kinds import UnfitError
from byzer_lab.types import Message, ToolCall


@dataclass
class Outcome:
    """What came of one call.

    Attributes:
        call: The call.
        tool: The tool; ``None`` where there is none of that name.
        value: What it returned.
        error: One sentence; empty where it returned.
        trace: Where the tool raised: the traceback.
    """

    call: ToolCall
    tool: LocalTool | None = None
    value: Any = None
    error: str = ""
    trace: str = field(default="", repr=False)

    @property
    def told(self) -> dict[str, Any]:
        """For ``metadata["calls"]``."""
        said = {"id": self.call.id, "name": self.call.name, "arguments": self.call.arguments}
        return said | ({"error": self.error} if self.error else {"value": self.value})

    @property
    def message(self) -> Message:
        """For the model."""
        return Message(role="tool", content=self.text, tool_call_id=self.call.id)

    @property
    def text(self) -> str:
        """What the model is told came of it."""
        return f"Error: {self.error}" if self.error else as_text(self.value)


def as_text(value: Any) -> str:
    """A tool's result for a model: a text as it is, else JSON, else as Python shows it."""
    if isinstance(value, str):
        return value
    from pydantic_core import PydanticSerializationError, to_json

    try:
        return to_json(value, fallback=str).decode()
    except PydanticSerializationError:  # bytes that are no text, a list inside of itself
        return repr(value)


def run_calls(calls: Sequence[ToolCall], tools: Sequence[LocalTool]) -> list[Outcome]:
    """Run calls in their order; asynchronous ones that follow each other at the same time.

    An interrupt, and whatever else is no ``Exception``, goes through.
    """
    outcomes = [_found(call, tools) for call in calls]
    for is_async, group in itertools.groupby(
        outcomes, lambda one: one.tool is not None and one.tool.is_async
    ):
        if is_async:
            run_apart(_gathered(list(group)))
        else:
            for outcome in group:
                _run(outcome)
    return outcomes


def _found(call: ToolCall, tools: Sequence[LocalTool]) -> Outcome:
    names = [one.tool.name for one in tools]
    if call.name in names:
        return Outcome(call, tools[names.index(call.name)])
    close = get_close_matches(call.name, names, n=1)
    hint = f"did you mean {close[0]}?" if close else f"there is {', '.join(names)}."
    return Outcome(call, error=f"There is no tool {call.name!r}; {hint}")


def _run(outcome: Outcome) -> Any:
    """Make the call; of an asynchronous tool, returns what is to be awaited."""
    if outcome.tool is None:
        return None
    try:
        outcome.value = outcome.tool.call(outcome.call.arguments)
        if inspect.isawaitable(outcome.value) and not outcome.tool.is_async:
            outcome.value = run_apart(_awaited(outcome.value))
        outcome.value = _collected(outcome.value)
    except Exception as error:
        _note(outcome, error)
    return outcome.value


async def _gathered(outcomes: list[Outcome]) -> None:
    async def wait(outcome: Outcome) -> None:
        pending: Coroutine[Any, Any, Any] | None = _run(outcome)
        if pending is None:
            return
        outcome.value = None
        try:
            value = await pending
            outcome.value = await asyncio.to_thread(_collected, value)
        except Exception as error:
            _note(outcome, error)

    await asyncio.gather(*map(wait, outcomes))


async def _awaited(pending: Awaitable[Any]) -> Any:
    return await pending


def _collected(value: Any) -> Any:
    """What a generator yields, as a list; anything else as it is."""
    if inspect.isgenerator(value):
        return list(value)
    if inspect.isasyncgen(value):
        return run_apart(_all_of(value))
    return value


async def _all_of(items: AsyncIterable[Any]) -> list[Any]:
    return [item async for item in items]


def _note(outcome: Outcome, error: Exception) -> None:
    name = outcome.call.name
    if isinstance(error, UnfitError):
        outcome.error = f"{name} was called with arguments that don't fit: {error}."
        return
    outcome.error = f"{name} raised {type(error).__name__}: {error}"
    outcome.trace = "".join(traceback.format_exception(error))


def reason_of(outcomes: Sequence[Outcome]) -> str:
    """All that went wrong, for ``metadata["reason"]``; empty where nothing did."""
    return "\n".join(f"{one.error}\n{one.trace}".strip() for one in outcomes if one.error)


def results_text(outcomes: Sequence[Outcome]) -> str:
    """The results as one text, for models that know no tools."""
    return "\n".join(
        json.dumps({"name": one.call.name, "result": one.text}, ensure_ascii=False)
        for one in outcomes
    )
