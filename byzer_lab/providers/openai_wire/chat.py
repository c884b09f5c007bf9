"""``POST chat/completions``: a conversation, answered piece by piece.

https://platform.openai.com/docs/api-reference/chat/create
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import ProviderError, ProviderUnavailableError
from byzer_lab.providers.again import until_begun, worth_another_try
from byzer_lab.providers.ending import shapes
from byzer_lab.providers.events import Event, events
from byzer_lab.providers.openai_wire.tools import call_pieces, tool_fields, turn
from byzer_lab.providers.tools import Calls, Wanted, wanted
from byzer_lab.types import Chunk, FinishReason, GenerateRequest, TokenLogprob

if TYPE_CHECKING:
    from byzer_lab.providers.http import Answer
    from byzer_lab.providers.openai_wire.engine import OpenAIWire

DONE = b"[DONE]"
LINGER_S = 0.5
"""How long the end of a stream is waited for after its last event, to use the connection again."""
FINISHES: dict[str, FinishReason] = {
    "length": "length",
    "max_tokens": "length",
    "content_filter": "content_filter",
    "sensitive": "content_filter",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
}
"""Words of providers for why an answer ended; every other one means that it is whole."""
BROKEN = ("network_error", "insufficient_system_resource", "error")
"""Words for an answer that is not whole."""


async def chat(engine: OpenAIWire, request: GenerateRequest) -> AsyncGenerator[Chunk]:
    """Answer one request. See :meth:`byzer_lab.engines.base.Generates.generate`."""
    from byzer_lab.providers.http import Call

    asked = wanted(engine, request)
    body = chat_body(engine, request, asked)
    call = Call(
        engine.url("chat/completions"),
        json=body,
        headers=await engine.headers(),
        params=engine.params(),
    )

    async def ask(attempt: int) -> AsyncGenerator[Chunk]:
        async with engine.http.stream(call) as answer:
            answer.facts.attempts += attempt - 1
            calls = Calls(asked, one=not engine.abilities.parallel_option)
            reader = ChatReader(engine, answer, body["model"], calls)
            with shapes(engine.type, answer.facts):
                async with aclosing(_chunks(reader, answer)) as chunks:
                    async for chunk in chunks:
                        yield chunk
                last = reader.last()
                for chunk in calls.end(last.finish_reason or "stop"):
                    yield chunk
                yield last

    async with aclosing(until_begun(ask, engine.settings.max_retries)) as chunks:
        async for chunk in chunks:
            yield chunk


async def _chunks(reader: ChatReader, answer: Answer) -> AsyncGenerator[Chunk]:
    """All chunks but those of the end."""
    if answer.media_type == "application/json":  # it does not stream
        for chunk in reader.whole(await answer.json()):
            yield chunk
        return
    async with aclosing(events(answer.blocks())) as stream:
        async for event in stream:
            if event.data.strip() == DONE:
                reader.done = True
                await _linger(stream)
                break
            for chunk in reader.next(event):
                yield chunk


async def _linger(stream: AsyncIterator[Event]) -> None:
    with contextlib.suppress(TimeoutError, ProviderUnavailableError):
        async with asyncio.timeout(LINGER_S):
            async for _ in stream:
                pass


def chat_body(engine: OpenAIWire, request: GenerateRequest, asked: Wanted) -> dict[str, Any]:
    """The body of a request.

    Args:
        engine: Who is asked.
        request: The caller's.
        asked: Its tools and its schema.

    Raises:
        InvalidRequestError: The provider can't serve it.
    """
    sampling = request.sampling
    body: dict[str, Any] = {
        "model": sampling.options.get("model") or engine.model,
        "messages": [turn(message) for message in engine.conversation(request)],
        **engine.sampling(sampling),
        **tool_fields(engine, asked),
        "stream": True,
    }
    if engine.preset.usage_option:
        body["stream_options"] = {"include_usage": True}
    if sampling.logprobs is not None:
        body["logprobs"] = True
        if sampling.logprobs:
            body["top_logprobs"] = sampling.logprobs
    return body | engine.options(sampling)


class ChatReader:
    """Turns the pieces of an answer into chunks.

    Args:
        engine: Whose answer it is.
        answer: The response.
        model: Which was asked.
        calls: Of the answer.

    Attributes:
        done: The provider has said that nothing more comes.
    """

    def __init__(self, engine: OpenAIWire, answer: Answer, model: str, calls: Calls) -> None:
        self._calls = calls
        self._engine = engine
        self._answer = answer
        self._model = model
        self._finish = ""
        self._usage: dict[str, Any] = {}
        self._chosen = False
        self.done = False

    def next(self, event: Event) -> Iterator[Chunk]:
        """The chunks of an event.

        Raises:
            Again: The provider is busy, and has not begun.
            ProviderError: The provider failed in the middle, or sent what is none of its format.
        """
        piece = self._answer.decode(event.data)
        choice = self._choice(piece)
        if choice is not None:
            yield from self._chunks(choice, choice.get("delta"))

    def whole(self, body: dict[str, Any]) -> Iterator[Chunk]:
        """The chunks of an answer that came in one piece; errors as of :meth:`next`."""
        choice = self._choice(body)
        self.done = True
        if choice is None:
            raise self._empty()
        yield from self._chunks(choice, choice.get("message"))

    def last(self) -> Chunk:
        """The last chunk.

        Raises:
            ProviderUnavailableError: The answer broke off.
            ProviderError: There is none.
        """
        facts = self._answer.facts
        if self._finish in BROKEN or not (self._finish or self.done):
            raise ProviderUnavailableError(
                f"{self._engine.type} broke its answer off before its end"
                + (f" ({self._finish})." if self._finish else "."),
                provider=self._engine.type,
                request_id=facts.request_id,
            )
        if not self._chosen:
            raise self._empty()
        facts.finish_reason = self._finish
        usage = self._usage
        asked = usage.get("prompt_tokens_details") or {}
        made = usage.get("completion_tokens_details") or {}
        cached = asked.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
        return Chunk(
            finish_reason=self._calls.finish(FINISHES.get(self._finish, "stop")),
            usage=self._engine.usage(
                facts,
                usage.get("prompt_tokens") or 0,
                usage.get("completion_tokens") or 0,
                cached_tokens=cached or 0,
                reasoning_tokens=made.get("reasoning_tokens") or 0,
                model=self._model,
            ),
        )

    def _choice(self, piece: dict[str, Any]) -> dict[str, Any] | None:
        """The first choice of a piece, once what stands beside it was noted."""
        facts = self._answer.facts
        refused = (piece.get("base_resp") or {}).get("status_code")
        if piece.get("error") or refused or piece.get("error_code"):
            known = self._engine.refusal(piece, facts)
            raise known if self._chosen else worth_another_try(known)
        facts.request_id = facts.request_id or str(piece.get("id") or "")
        facts.model = piece.get("model") or facts.model
        choices = [one for one in piece.get("choices") or [] if not one.get("index")]
        usage = piece.get("usage") or (choices[0].get("usage") if choices else None)
        self._usage = usage or self._usage
        return choices[0] if choices else None

    def _chunks(self, choice: dict[str, Any], delta: dict[str, Any] | None) -> Iterator[Chunk]:
        self._chosen = True
        self._finish = choice.get("finish_reason") or self._finish
        delta = delta or {}
        text = (delta.get("content") or "") + (delta.get("refusal") or "")
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        told = (choice.get("logprobs") or {}).get("content") or []
        if text or reasoning or told:
            logprobs = [_logprob(one) for one in told]
            yield Chunk(text=text, reasoning=reasoning, tokens=len(told) or 1, logprobs=logprobs)
        yield from call_pieces(self._calls, delta.get("tool_calls") or [])

    def _empty(self) -> ProviderError:
        return ProviderError(
            f"{self._engine.type} answered without an answer: there is no choice in it.",
            provider=self._engine.type,
            request_id=self._answer.facts.request_id,
        )


def _logprob(told: dict[str, Any]) -> TokenLogprob:
    top = [_logprob(one) for one in told.get("top_logprobs") or []]
    return TokenLogprob(-1, str(told.get("token", "")), float(told["logprob"]), top)
