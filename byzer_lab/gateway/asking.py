"""Several answers to one request, as one stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence

import msgspec

from byzer_lab.gateway.service import Exchange, Service
from byzer_lab.types import (
    Chunk,
    GenerateRequest,
    TokenLogprob,
    ToolCall,
    Usage,
    add_pieces,
)

BEHIND = 64
"""So many chunks may wait for a reader before the workers have to."""


def several(request: GenerateRequest, count: int) -> list[GenerateRequest]:
    """The request so many times, with seeds of their own."""
    if count == 1:
        return [request]
    sampling = request.sampling
    seeds = [None if sampling.seed is None else sampling.seed + n for n in range(count)]
    return [
        msgspec.structs.replace(
            request,
            request_id=f"{request.request_id}-{n}",
            sampling=msgspec.structs.replace(sampling, seed=seed),
        )
        for n, seed in enumerate(seeds)
    ]


async def chunks_of(
    service: Service, model: str, requests: Sequence[GenerateRequest], exchange: Exchange
) -> AsyncGenerator[tuple[int, Chunk]]:
    """Ask a deployment, several requests at a time, and yield what comes with its number.

    Usage is counted. Closing it cancels all; the first error ends all.
    """
    if len(requests) == 1:
        async with contextlib.aclosing(service.plane.stream(model, requests[0])) as chunks:
            async for chunk in chunks:
                exchange.add(chunk.usage)
                yield 0, chunk
        return
    queue: asyncio.Queue[tuple[int, Chunk | Exception | None]] = asyncio.Queue(BEHIND)

    async def pump(number: int, request: GenerateRequest) -> None:
        try:
            async with contextlib.aclosing(service.plane.stream(model, request)) as chunks:
                async for chunk in chunks:
                    await queue.put((number, chunk))
            await queue.put((number, None))
        except Exception as error:
            await queue.put((number, error))

    pumps = [asyncio.create_task(pump(n, request)) for n, request in enumerate(requests)]
    left = len(pumps)
    try:
        while left:
            number, found = await queue.get()
            if isinstance(found, Exception):
                raise found
            if found is None:
                left -= 1
                continue
            exchange.add(found.usage)
            yield number, found
    finally:
        for task in pumps:
            task.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


class Whole:
    """One answer, put together from its chunks."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.calls: dict[int, ToolCall] = {}
        self.logprobs: list[TokenLogprob] = []
        self.finish = "stop"
        self.stop = ""
        self.usage = Usage()

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk."""
        self.text += chunk.text
        self.reasoning += chunk.reasoning
        self.logprobs += chunk.logprobs
        add_pieces(self.calls, chunk.tool_calls)
        self.finish = chunk.finish_reason or self.finish
        self.stop = chunk.stop or self.stop
        self.usage = chunk.usage or self.usage

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls, in their order."""
        return [self.calls[index] for index in sorted(self.calls)]


async def wholes(
    service: Service, model: str, requests: Sequence[GenerateRequest], exchange: Exchange
) -> list[Whole]:
    """The whole answers of several requests, in their order."""
    answers = [Whole() for _ in requests]
    async with contextlib.aclosing(chunks_of(service, model, requests, exchange)) as chunks:
        async for number, chunk in chunks:
            answers[number].add(chunk)
    return answers
