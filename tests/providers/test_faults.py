"""What can go wrong on the way, the same for every wire format of a provider's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from byzer_lab.errors import (
    ProviderAuthenticationError,
    ProviderError,
    ProviderRateLimitError,
    ProviderUnavailableError,
)
from byzer_lab.providers import http
from byzer_lab.types import Chunk
from tests.providers.dialects import DIALECTS, Dialect
from tests.providers.wire import asked, chunks, question
from tests.support.scripted_http import Reply, ScriptedServer, answer, split_everywhere

TEXT = "你好，世界 🙂 “quoted” — done"
STREAMING = [name for name, dialect in DIALECTS.items() if dialect.streams]


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_BACKOFF_S", 0.001)


@pytest.fixture(params=DIALECTS)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


@pytest.fixture(params=STREAMING)
def streaming(request: pytest.FixtureRequest) -> Dialect:
    return DIALECTS[request.param]


@contextlib.asynccontextmanager
async def speaking(dialect: Dialect, **more: Any) -> AsyncIterator[tuple[Any, ScriptedServer]]:
    params = {**dialect.params, **more}
    path = "/v1/text/chatcompletion_pro" if params.pop("pro", False) else ""
    async with asked(dialect.kind, path=path, **params) as found:
        yield found


async def collect(made: Any, got: list[Chunk]) -> None:
    """Keep what comes, also where it breaks off."""
    async for chunk in made.generate(question()):
        got.append(chunk)


async def test_a_whole_answer(dialect: Dialect) -> None:
    async with speaking(dialect) as (made, server):
        server.script(dialect.whole(TEXT))
        got = await chunks(made, question())
        assert dialect.said(got) == TEXT
        assert [chunk.finish_reason for chunk in got[:-1]] == [None] * (len(got) - 1)
        assert got[-1].finish_reason == "stop"
        assert got[-1].usage.provider.attempts == 1


async def test_torn_into_bytes(dialect: Dialect) -> None:
    async with speaking(dialect) as (made, server):
        server.script(split_everywhere(dialect.whole(TEXT)))
        assert dialect.said(await chunks(made, question())) == TEXT


async def test_ten_megabytes(dialect: Dialect) -> None:
    long = TEXT * (10 * 1024 * 1024 // len(TEXT.encode()))
    async with speaking(dialect) as (made, server):
        server.script(dialect.whole(long))
        assert dialect.said(await chunks(made, question())) == long


async def test_a_busy_provider_is_asked_again(dialect: Dialect) -> None:
    async with speaking(dialect) as (made, server):
        server.script(
            answer({"error": {"message": "slow down"}}, 429, Retry_After="0"),
            answer({"message": "oops"}, 500),
            dialect.whole(TEXT),
        )
        got = await chunks(made, question())
        assert dialect.said(got) == TEXT
        assert got[-1].usage.provider.attempts == len(server.seen) == 3


async def test_a_long_wait_is_told_not_waited(dialect: Dialect) -> None:
    async with speaking(dialect) as (made, server):
        server.script(answer({"message": "slow down"}, 429, Retry_After="3600"))
        with pytest.raises(ProviderRateLimitError, match="slow down") as caught:
            await chunks(made, question())
        assert caught.value.details["retry_after_s"] == 3600
        assert caught.value.details["status"] == 429


async def test_retries_end(dialect: Dialect) -> None:
    async with speaking(dialect, saas__max_retries=1) as (made, server):
        server.script(*(answer({"message": "oops"}, 503) for _ in range(2)))
        with pytest.raises(ProviderUnavailableError, match="oops"):
            await chunks(made, question())


async def test_a_wrong_key(dialect: Dialect) -> None:
    async with speaking(dialect) as (made, server):
        server.script(answer({"message": "no such key"}, 401))
        with pytest.raises(ProviderAuthenticationError, match="no such key") as caught:
            await chunks(made, question())
        assert len(server.seen) == 1
        assert "sk-test" not in str(caught.value.to_wire())


async def test_cut_off_in_the_middle(streaming: Dialect) -> None:
    """What has come is given; nobody asks again, for it may be charged."""
    async with speaking(streaming) as (made, server):
        reply = streaming.whole(TEXT)
        reply.pieces, reply.cut, reply.gap_s = reply.pieces[: streaming.begun], True, 0.01
        server.script(reply)
        got: list[Chunk] = []
        with pytest.raises(ProviderUnavailableError, match="broke"):
            await collect(made, got)
        whole = TEXT.encode()
        assert got
        assert whole.startswith(b"".join(chunk.data or chunk.text.encode() for chunk in got))
        assert len(server.seen) == 1


async def test_a_stream_that_ends_too_early(streaming: Dialect) -> None:
    if streaming.kind == "saas/azure":
        pytest.skip("a sound without a frame has no end of its own")
    async with speaking(streaming) as (made, server):
        reply = streaming.whole(TEXT)
        reply.pieces = reply.pieces[: streaming.begun]
        server.script(reply)
        with pytest.raises(ProviderUnavailableError, match="broke its answer off"):
            await chunks(made, question())


async def test_a_connection_that_dies_unanswered(dialect: Dialect) -> None:
    """The request went out whole: it may have been charged, so it is not sent again."""
    async with speaking(dialect) as (made, server):
        server.script(Reply(status=0))
        with pytest.raises(ProviderUnavailableError, match="did not answer"):
            await chunks(made, question())
        assert len(server.seen) == 1


async def test_nobody_there(dialect: Dialect) -> None:
    params = {**dialect.params, "saas__base_url": "http://127.0.0.1:9", "saas__max_retries": 0}
    params.pop("pro", None)
    async with asked(dialect.kind, **params) as (made, _):
        with pytest.raises(ProviderUnavailableError, match="can't be reached"):
            await chunks(made, question())


@pytest.mark.parametrize("bad", [b"data: {oops\n\n", b"data: [1, 2]\n\n", b"\xff\xfe\x00" * 9])
async def test_no_json(streaming: Dialect, bad: bytes) -> None:
    if streaming.kind == "saas/azure":
        pytest.skip("its answers are sounds")
    async with speaking(streaming) as (made, server):
        reply = streaming.whole(TEXT)
        reply.pieces = [bad]
        server.script(reply)
        with pytest.raises(ProviderError):
            await chunks(made, question())


async def test_leaving_closes_the_connection(streaming: Dialect) -> None:
    async with speaking(streaming) as (made, server):
        reply = streaming.whole(TEXT)
        reply.pieces, reply.hold = reply.pieces[: streaming.begun], True
        server.script(reply)
        answering = made.generate(question())
        first = await anext(answering)  # while the provider goes on
        assert first.text or first.data
        await answering.aclose()
        await asyncio.wait_for(server.left.wait(), 10)


async def test_cancelling_closes_the_connection(streaming: Dialect) -> None:
    async with speaking(streaming) as (made, server):
        reply = streaming.whole(TEXT)
        reply.pieces, reply.hold = reply.pieces[: streaming.begun], True
        server.script(reply)
        begun = asyncio.Event()

        async def read() -> None:
            async for _ in made.generate(question()):
                begun.set()

        reading = asyncio.create_task(read())
        await asyncio.wait_for(begun.wait(), 10)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await asyncio.wait_for(server.left.wait(), 10)


async def test_a_burst(streaming: Dialect) -> None:
    async with speaking(streaming) as (made, server):
        server.script(*(streaming.whole(TEXT) for _ in range(200)))
        answers = await asyncio.gather(*(chunks(made, question()) for _ in range(200)))
        assert [streaming.said(got) for got in answers] == [TEXT] * 200
