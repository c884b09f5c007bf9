"""An engine's chunks on their way into an HTTP response: timed, counted, coalesced."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable

import msgspec

from byzer_lab.errors import ByzerLabError, EngineError, describe
from byzer_lab.types import Chunk, Usage

FAIR_SHARE = 32
"""After so many chunks without a pause an engine lets other requests have a turn."""

BETWEEN_WRITES_S = 0.005
"""Least time between two writes of a stream: above 200 tokens/s tokens travel together, which
costs a quarter of the CPU (benchmarks/README.md)."""
MOST_WRITES = 1600
"""Writes per second of all streams together: with many of them, each waits longer for its next."""
MOST_BETWEEN_WRITES_S = 0.05
"""So long and no longer: below it a reader sees text that flows."""

_encoder = msgspec.json.Encoder()


async def timed(
    chunks: AsyncGenerator[Chunk], started: float, queue_s: float, count: Callable[[int], None]
) -> AsyncIterator[Chunk]:
    """Fill in the times of the last chunk's usage and count tokens as they come.

    Args:
        chunks: What the engine yields.
        started: When the request arrived, by ``time.perf_counter``.
        queue_s: Seconds that it waited for a slot.
        count: Told the number of tokens of each chunk.

    Raises:
        EngineError: The engine ended without a last chunk.
    """
    first = 0.0
    since_pause = 0
    whole = False
    async with contextlib.aclosing(chunks):
        async for chunk in chunks:
            if chunk.tokens or chunk.data:
                first = first or time.perf_counter()
                count(chunk.tokens)
            if chunk.finish_reason:
                whole = True
                now = time.perf_counter()
                usage = chunk.usage = chunk.usage or Usage()
                usage.queue_ms = queue_s * 1000
                usage.first_token_ms = ((first or now) - started) * 1000
                usage.total_ms = (now - started) * 1000
            yield chunk
            since_pause += 1
            if since_pause >= FAIR_SHARE:
                since_pause = 0
                await asyncio.sleep(0)
    if not whole:
        raise EngineError("The engine ended its answer without a last chunk.")


async def coalesced(
    chunks: AsyncIterator[Chunk], streams: Callable[[], int] = lambda: 1
) -> AsyncGenerator[bytes]:
    """Encode chunks as lines; join what comes while the reader is behind, or right after a write.

    The first chunk and the last are never held back. An error becomes the last line.

    Args:
        chunks: Of one answer.
        streams: Tells how many answers are being written now.
    """
    pending: list[Chunk] = []
    arrived, ended = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def pump() -> None:
        try:
            async for chunk in chunks:
                if pending and chunk.progress and pending[-1].progress:
                    pending[-1] = chunk
                elif pending and _joins(pending[-1], chunk):
                    pending[-1].text += chunk.text
                    pending[-1].reasoning += chunk.reasoning
                    pending[-1].tool_calls += chunk.tool_calls
                    pending[-1].data += chunk.data
                    pending[-1].tokens += chunk.tokens
                    pending[-1].logprobs += chunk.logprobs
                else:
                    pending.append(chunk)
                arrived.set()
        except Exception as error:
            known = error if isinstance(error, ByzerLabError) else EngineError(describe(error))
            pending.append(Chunk(error=known.to_wire()))
            arrived.set()
        finally:
            ended.set()

    pumping = asyncio.create_task(pump())
    try:
        last, next_write = False, 0.0
        while not last:
            await arrived.wait()
            if loop.time() < next_write:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(next_write):
                        await ended.wait()
            share = min(streams() / MOST_WRITES, MOST_BETWEEN_WRITES_S)
            next_write = loop.time() + max(share, BETWEEN_WRITES_S)
            arrived.clear()
            ready, pending[:] = list(pending), []
            last = any(chunk.finish_reason or chunk.error for chunk in ready)
            yield _encoder.encode_lines(ready)
    finally:
        pumping.cancel()  # closes the engine's iterator, which cancels the generation
        with contextlib.suppress(asyncio.CancelledError):
            await pumping


def _joins(before: Chunk, chunk: Chunk) -> bool:
    """Whether two chunks make one; a picture stays by itself, and so do progress and the end."""
    last = before.finish_reason is not None or chunk.finish_reason is not None
    last = last or bool(before.progress or chunk.progress)
    picture = chunk.media_type.startswith("image/")
    return not last and not picture and before.media_type == chunk.media_type
