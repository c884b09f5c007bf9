"""Coalescing: nothing lost, nothing held back, errors last, cancellation passed on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

import msgspec
import pytest

from byzer_lab.types import Chunk, Progress, TokenLogprob, Usage
from byzer_lab.workers.streaming import MOST_BETWEEN_WRITES_S, coalesced, timed


async def words(count: int, delay_s: float = 0.0) -> AsyncGenerator[Chunk]:
    for number in range(count):
        if delay_s:
            await asyncio.sleep(delay_s)
        told = [TokenLogprob(number, f"{number} ", -1.0)]
        yield Chunk(text=f"{number} ", tokens=1, logprobs=told)
    yield Chunk(finish_reason="stop", usage=Usage(output_tokens=count))


def decoded(blocks: list[bytes]) -> list[Chunk]:
    return msgspec.json.Decoder(Chunk).decode_lines(b"".join(blocks))


async def test_a_slow_reader_gets_fewer_and_larger_chunks() -> None:
    blocks = []
    async for block in coalesced(words(1000)):
        blocks.append(block)
        await asyncio.sleep(0.001)
    chunks = decoded(blocks)
    assert "".join(chunk.text for chunk in chunks) == "".join(f"{n} " for n in range(1000))
    assert sum(chunk.tokens for chunk in chunks) == 1000
    assert [one.token for chunk in chunks for one in chunk.logprobs] == list(range(1000))
    assert chunks[-1].finish_reason == "stop"
    assert len(chunks) < 200


async def test_a_fast_reader_gets_each_chunk_at_once() -> None:
    blocks = [block async for block in coalesced(words(5, delay_s=0.01))]
    assert len(decoded(blocks)) == 6


async def test_among_many_streams_chunks_travel_together() -> None:
    started = time.perf_counter()
    words_of_one = words(200, delay_s=0.001)
    blocks = [block async for block in coalesced(words_of_one, lambda: 1000)]
    chunks = decoded(blocks)
    assert "".join(chunk.text for chunk in chunks) == "".join(f"{n} " for n in range(200))
    assert len(blocks) <= (time.perf_counter() - started) / MOST_BETWEEN_WRITES_S + 3


async def test_an_error_is_the_last_line() -> None:
    async def broken() -> AsyncGenerator[Chunk]:
        yield Chunk(text="half ", tokens=1)
        raise ValueError("no more memory")

    chunks = decoded([block async for block in coalesced(broken())])
    assert chunks[0].text == "half "
    assert chunks[-1].error == {
        "code": "engine",
        "message": "ValueError: no more memory",
        "details": {},
    }


async def test_closing_closes_the_engine() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncGenerator[Chunk]:
        try:
            while True:
                await asyncio.sleep(0.001)
                yield Chunk(text="x", tokens=1)
        finally:
            closed.set()

    blocks = coalesced(timed(endless(), time.perf_counter(), 0.0, lambda _: None))
    await anext(blocks)
    await blocks.aclose()
    await asyncio.wait_for(closed.wait(), 1)


async def test_times_are_filled_in() -> None:
    counted: list[int] = []
    started = time.perf_counter()
    chunks = [c async for c in timed(words(10, delay_s=0.005), started, 0.25, counted.append)]
    usage = chunks[-1].usage
    assert usage is not None
    assert sum(counted) == 10
    assert usage.queue_ms == 250
    assert 4 < usage.first_token_ms < usage.total_ms
    after_the_first_s = (usage.total_ms - usage.first_token_ms) / 1000
    assert usage.tokens_per_second == pytest.approx(9 / after_the_first_s)


@pytest.mark.parametrize("count", [0, 3])
async def test_an_answer_without_a_last_chunk_is_an_error(count: int) -> None:
    async def unfinished() -> AsyncGenerator[Chunk]:
        async for chunk in words(count):
            if not chunk.finish_reason:
                yield chunk

    async def read() -> list[bytes]:
        answer = timed(unfinished(), time.perf_counter(), 0.0, lambda _: None)
        return [block async for block in coalesced(answer)]

    chunks = decoded(await asyncio.wait_for(read(), 5))
    assert sum(chunk.tokens for chunk in chunks) == count
    assert chunks[-1].error is not None
    assert "ended its answer without a last chunk" in chunks[-1].error["message"]


async def test_an_engine_without_pauses_lets_others_run() -> None:
    ticks = 0

    async def ticking() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticker = asyncio.create_task(ticking())
    async for _ in timed(words(10_000), time.perf_counter(), 0.0, lambda _: None):
        pass
    ticker.cancel()
    assert ticks > 100


async def test_bytes_are_joined_and_pictures_are_not() -> None:
    async def answer(kind: str) -> AsyncGenerator[Chunk]:
        for number in range(50):
            yield Chunk(data=bytes([number, 255]), media_type=kind)
        yield Chunk(finish_reason="stop", usage=Usage())

    for kind, least, most in (("audio/mpeg", 1, 20), ("image/png", 50, 50)):
        blocks = []
        async for block in coalesced(answer(kind)):
            blocks.append(block)
            await asyncio.sleep(0.001)
        *pieces, _ = decoded(blocks)
        assert b"".join(piece.data for piece in pieces) == bytes(
            byte for number in range(50) for byte in (number, 255)
        )
        assert {piece.media_type for piece in pieces} == {kind}
        assert least <= len(pieces) <= most


async def test_thoughts_stay_apart_from_the_answer() -> None:
    async def answer() -> AsyncGenerator[Chunk]:
        for number in range(20):
            yield Chunk(reasoning=f"{number},", tokens=1)
        yield Chunk(text="42", tokens=1, finish_reason="stop", usage=Usage())

    chunks = decoded([block async for block in coalesced(answer())])
    assert "".join(chunk.text for chunk in chunks) == "42"
    assert "".join(chunk.reasoning for chunk in chunks) == "".join(f"{n}," for n in range(20))


async def test_progress_is_news_only_while_it_is_the_newest() -> None:
    async def drawing() -> AsyncGenerator[Chunk]:
        for step in range(100):
            yield Chunk(progress=Progress(step + 1, 100))
        yield Chunk(data=b"a picture", media_type="image/png")
        yield Chunk(finish_reason="stop", usage=Usage())

    chunks = decoded([block async for block in coalesced(drawing())])
    told = [chunk.progress.done for chunk in chunks if chunk.progress]
    assert told == sorted(told)
    assert told[-1] == 100
    assert len(told) < 100
    assert [chunk.data for chunk in chunks if chunk.data] == [b"a picture"]
    assert chunks[-1].finish_reason == "stop"
