"""Asks a model with a prompt function's text, for what its annotation says."""

from __future__ import annotations

import asyncio
import collections.abc
import inspect
import warnings
from collections.abc import AsyncGenerator, Awaitable, Generator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from byzer_lab.client.prompts.turns import Turns
from byzer_lab.errors import InvalidRequestError

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM

STREAMS = (
    collections.abc.Generator,
    collections.abc.Iterator,
    collections.abc.Iterable,
)
ASYNC_STREAMS = (
    collections.abc.AsyncGenerator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
)


def answer(
    llm: ByzerLLM,
    text: str,
    kind: Any,
    settings: Mapping[str, Any],
    turns: Turns,
    warning: str,
) -> Any:
    """What a model answers.

    Args:
        llm: The client.
        text: The prompt.
        kind: ``str``, a class or type, or a generator of texts or of growing objects.
        settings: Arguments of ``chat_oai``.
        turns: What is around the prompt.
        warning: Name of the function, where a failed answer is to be warned of.

    Raises:
        InvalidRequestError: ``kind`` or a setting is none of these.
    """
    plain, origin = _plain(kind)
    text = text.strip()
    if origin in (*STREAMS, *ASYNC_STREAMS):
        turns.check_for_objects("a generator")
        item = (get_args(plain) or (str,))[0]
        call = llm.stream_chat_oai if origin in STREAMS else llm.async_stream_chat_oai
        arguments = {"delta_mode": True, **_checked(settings, call)}
        if item is not str:
            arguments["response_class"] = item
        if origin in STREAMS:
            return _stream(llm, text, arguments, turns)
        return _astream(llm, text, arguments, turns)
    arguments = _checked(settings, llm.chat_oai)
    if plain is str:
        response = turns.ask(llm, text, arguments)
        if turns.returns_response:
            return response
        return turns.extractor(response.output) if turns.extractor else response.output
    if plain in (None, type(None)):
        raise InvalidRequestError(
            "A prompt function returns str, a class such as a pydantic model, or a generator of "
            "str; annotate it so."
        )
    turns.check_for_objects(getattr(kind, "__name__", str(kind)))
    arguments = turns.arguments(llm, text, {**arguments, "response_class": kind})
    [response] = llm.chat_oai(arguments.pop("conversations"), **arguments)
    turns.note(response.metadata)
    if warning and response.metadata["reason"]:
        warnings.warn(f"{warning}: {response.metadata['reason']}", stacklevel=4)
    return response if turns.returns_response else response.value


async def answer_later(
    llm: ByzerLLM,
    text: Awaitable[str],
    kind: Any,
    settings: Mapping[str, Any],
    turns: Turns,
    warning: str,
) -> Any:
    """:func:`answer` of an ``async def``: blocks no loop."""
    return await asyncio.to_thread(answer, llm, await text, kind, settings, turns, warning)


def _plain(kind: Any) -> tuple[Any, Any]:
    """A type without notes, and its origin."""
    if get_origin(kind) is Annotated and get_args(kind)[0] is str:
        kind = str
    origin = get_origin(kind) or kind
    return kind, origin if inspect.isclass(origin) else None


def _checked(settings: Mapping[str, Any], call: Any) -> dict[str, Any]:
    known = [*inspect.signature(call).parameters][1:]
    for name in settings:
        if name not in known:
            raise InvalidRequestError(
                f"A prompt function has no option {name!r}; it has {', '.join(known)}."
            )
    return dict(settings)


def _stream(llm: ByzerLLM, text: str, settings: dict[str, Any], turns: Turns) -> Generator[Any]:
    arguments = turns.arguments(llm, text, settings)
    if turns.prefix:
        yield turns.prefix
    for item in llm.stream_chat_oai(arguments.pop("conversations"), **arguments):
        if turns.meta is not None:
            turns.meta.meta = item[1]
        if item[0] or "response_class" in arguments:
            yield item[0]


async def _astream(
    llm: ByzerLLM, text: str, settings: dict[str, Any], turns: Turns
) -> AsyncGenerator[Any]:
    arguments = await asyncio.to_thread(turns.arguments, llm, text, settings)
    if turns.prefix:
        yield turns.prefix
    stream = llm.async_stream_chat_oai(arguments.pop("conversations"), **arguments)
    async for item in stream:
        if turns.meta is not None:
            turns.meta.meta = item[1]
        if item[0] or "response_class" in arguments:
            yield item[0]
