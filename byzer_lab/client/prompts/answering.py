"""Asks a model with a prompt function's text, for what its annotation says."""

from __future__ import annotations

import asyncio
import collections.abc
import inspect
import warnings
from collections.abc import AsyncGenerator, Awaitable, Generator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

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


def answer(llm: ByzerLLM, text: str, kind: Any, settings: Mapping[str, Any], warning: str) -> Any:
    """What a model answers.

    Args:
        llm: The client.
        text: The prompt.
        kind: ``str``, a class or type, or a generator of texts or of growing objects.
        settings: Arguments of ``chat_oai``.
        warning: Name of the function, where a failed answer is to be warned of.

    Raises:
        InvalidRequestError: ``kind`` or a setting is none of these.
    """
    plain, origin = _plain(kind)
    if origin in (*STREAMS, *ASYNC_STREAMS):
        item = (get_args(plain) or (str,))[0]
        call = llm.stream_chat_oai if origin in STREAMS else llm.async_stream_chat_oai
        arguments = _checked(settings, call)
        if item is not str:
            arguments["response_class"] = item
        if origin in STREAMS:
            return _stream(llm, text, arguments)
        return _astream(llm, text, arguments)
    arguments = _checked(settings, llm.chat_oai)
    if plain is str:
        [response] = llm.chat_oai(text.strip(), **arguments)
        return getattr(response, "response", response).output  # with tools, of what came last
    if plain in (None, type(None)):
        raise InvalidRequestError(
            "A prompt function returns str, a class such as a pydantic model, or a generator of "
            "str; annotate it so."
        )
    [response] = llm.chat_oai(text.strip(), **{**arguments, "response_class": kind})
    if warning and response.metadata["reason"]:
        warnings.warn(f"{warning}: {response.metadata['reason']}", stacklevel=4)
    return response.value


async def answer_later(
    llm: ByzerLLM, text: Awaitable[str], kind: Any, settings: Mapping[str, Any], warning: str
) -> Any:
    """:func:`answer` of an ``async def``: blocks no loop."""
    return await asyncio.to_thread(answer, llm, await text, kind, settings, warning)


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


def _stream(llm: ByzerLLM, text: str, arguments: dict[str, Any]) -> Generator[Any]:
    for item in llm.stream_chat_oai(text.strip(), **{"delta_mode": True, **arguments}):
        if item[0] or "response_class" in arguments:
            yield item[0]


async def _astream(llm: ByzerLLM, text: str, arguments: dict[str, Any]) -> AsyncGenerator[Any]:
    stream = llm.async_stream_chat_oai(text.strip(), **{"delta_mode": True, **arguments})
    async for item in stream:
        if item[0] or "response_class" in arguments:
            yield item[0]
