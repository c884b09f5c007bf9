"""OpenAI's requests as Byzer Lab's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.gateway.openai import shapes
from byzer_lab.generation import check_generation
from byzer_lab.types import (
    TOOL_CHOICES,
    ImagePart,
    ImageUrl,
    Message,
    Part,
    Sampling,
    TextPart,
    Tool,
    ToolCall,
)

TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def refused(param: str, sentence: str) -> InvalidRequestError:
    """A parameter that can't be served; its name goes into the error's ``param``."""
    return InvalidRequestError(f"{param}: {sentence}", param=param)


def read_sampling(body: shapes.Sampled, max_tokens: int | None, **more: Any) -> Sampling:
    """The generation parameters of a body.

    Args:
        body: The body.
        max_tokens: Most tokens; ``None``: as many as the context window has room for.
        more: Fields of :class:`Sampling` that differ between the endpoints.
    """
    if body.logit_bias:
        raise refused("logit_bias", "no engine here shifts single tokens; leave it out.")
    if body.stream_options is not None and not body.stream:
        raise refused("stream_options", "it is allowed with 'stream': true only.")
    stop = [body.stop] if isinstance(body.stop, str) else body.stop
    if "" in (stop or ()):
        raise refused("stop", "a stop text can't be empty.")
    sampling = Sampling(
        max_tokens=max_tokens,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        min_p=body.min_p,
        repetition_penalty=body.repetition_penalty,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        seed=body.seed,
        stop=stop,
        stop_token_ids=body.stop_token_ids,
        ignore_eos=body.ignore_eos,
        **more,
    )
    check_generation(sampling)
    return sampling


def read_turns(turns: Sequence[shapes.Turn]) -> list[Message]:
    """A conversation."""
    return [_turn(turn, f"messages[{n}]") for n, turn in enumerate(turns)]


def _turn(turn: shapes.Turn, place: str) -> Message:
    content = _content(turn.content, f"{place}.content")
    match turn:
        case shapes.SystemTurn() | shapes.DeveloperTurn():
            return Message("system", content)
        case shapes.AssistantTurn():
            calls = [
                ToolCall(call.id, call.function.name, call.function.arguments)
                for call in turn.tool_calls or []
            ]
            if turn.function_call:
                old = turn.function_call
                calls.append(ToolCall(old.name, old.name, old.arguments))
            if turn.content is None and not calls:
                raise refused(f"{place}.content", "an assistant's turn has content or tool calls.")
            return Message("assistant", content, calls)
        case shapes.ToolTurn():
            return Message("tool", content, tool_call_id=turn.tool_call_id)
        case shapes.FunctionTurn():
            return Message("tool", content, tool_call_id=turn.name)
        case shapes.UserTurn():
            if turn.content is None:
                raise refused(f"{place}.content", "a user's turn has content.")
            return Message("user", content)


def _content(content: shapes.Contents, place: str) -> str | list[Part]:
    if content is None or isinstance(content, str):
        return content or ""
    parts = [_part(part, f"{place}[{n}]") for n, part in enumerate(content)]
    texts = [part for part in parts if isinstance(part, TextPart)]
    if len(texts) == len(parts):  # what has no pictures is a plain text for every template
        return "\n".join(part.text for part in texts)
    return parts


def _part(part: shapes.Content, place: str) -> Part:
    match part:
        case shapes.TextContent():
            return TextPart(part.text)
        case shapes.RefusalContent():
            return TextPart(part.refusal)
        case shapes.ImageContent():
            return ImagePart(ImageUrl(part.image_url.url, part.image_url.detail))
        case _:
            raise refused(place, "sounds and files can't be sent to a model here yet.")


def read_tools(functions: Sequence[shapes.Function]) -> list[Tool]:
    """The functions that a model may call."""
    tools = [Tool(one.name, one.description or "", one.parameters or {}) for one in functions]
    check_tools(tools, "tools[{}].function")
    return tools


def check_tools(tools: Sequence[Tool], places: str) -> None:
    """Raise :class:`InvalidRequestError` where tools can't be told apart or have no schema.

    Args:
        tools: The tools.
        places: Where they stand in the body, with ``{}`` for the number.
    """
    for number, tool in enumerate(tools):
        place = places.format(number)
        if not TOOL_NAME.fullmatch(tool.name) or tool.name in TOOL_CHOICES:
            raise refused(
                f"{place}.name",
                f"{tool.name!r} can't name a tool: use 1 to 64 letters, digits, '_' or '-', and "
                "none of auto, none and required.",
            )
        if tool.parameters.get("type", "object") != "object":
            raise refused(f"{place}.parameters", "the schema must be that of an object.")
    names = [tool.name for tool in tools]
    for name in names:
        if names.count(name) > 1:
            raise refused("tools", f"there are two tools {name!r}.")


def read_choice(choice: str | None, tools: Sequence[Tool]) -> str:
    """Which tool must be called.

    Args:
        choice: ``auto``, ``none``, ``required`` or a tool's name.
        tools: The tools there are.
    """
    if choice is None or choice == "auto":
        return "auto"
    if not tools and choice != "none":
        raise refused("tool_choice", "it is allowed with tools only.")
    if choice not in TOOL_CHOICES and choice not in {tool.name for tool in tools}:
        raise refused("tool_choice", f"there is no tool {choice!r} among the tools.")
    return choice


def read_format(
    form: shapes.TextFormat | shapes.JsonFormat | shapes.SchemaFormat | None,
) -> dict[str, Any] | None:
    """The schema that an answer must fit."""
    if isinstance(form, shapes.SchemaFormat):
        return form.json_schema.schema
    return {"type": "object"} if isinstance(form, shapes.JsonFormat) else None
