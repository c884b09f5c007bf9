"""Volcano Engine's speech over its WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from byzer_lab.errors import (
    InvalidRequestError,
    ProviderAuthenticationError,
    ProviderError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderUnavailableError,
)
from byzer_lab.providers import http
from byzer_lab.types import Chunk
from tests.providers.test_faults import collect
from tests.providers.wire import chunks, engine, question
from tests.support.volcano_server import (
    UNDERSTOOD,
    Script,
    VolcanoServer,
    refusal,
    sound,
    volcano_server,
)

TOKEN = "volcano-token-0123456789"


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_BACKOFF_S", 0.001)


@contextlib.asynccontextmanager
async def asked(**params: Any) -> AsyncIterator[tuple[Any, VolcanoServer]]:
    async with volcano_server() as server:
        given = {"saas__api_key": TOKEN, "saas__app_id": "app1", "saas__base_url": server.url}
        async with engine("saas/volcengine", **{**given, **params}) as made:
            made.load(lambda progress: None)
            yield made, server


def speaks(*pieces: bytes, **options: Any) -> Script:
    """A whole sound, the last piece numbered below 0."""
    last = len(pieces)
    numbers = [*range(1, last), -last]
    messages = [sound(piece, number) for piece, number in zip(pieces, numbers, strict=True)]
    return Script([UNDERSTOOD, *messages], **options)


async def test_what_is_sent_and_comes() -> None:
    async with asked() as (made, server):
        server.script(speaks(b"abc", b"", b"de"))
        asks = {"input": "你好，大帅哥", "voice": "BV705_streaming", "response_format": "wav"}
        got = await chunks(made, question(json.dumps(asks, ensure_ascii=False)))
        assert [chunk.data for chunk in got] == [b"abc", b"de", b""]
        assert got[0].media_type == "audio/wav"
        assert got[-1].finish_reason == "stop"
        path, authorization, head, body = server.asked[0]
        assert (path, authorization) == ("/api/v1/tts/ws_binary", f"Bearer;{TOKEN}")
        assert head == b"\x11\x10\x11\x00"
        assert got[-1].usage.provider.request_id == body["request"].pop("reqid")
        assert body == {
            "app": {"appid": "app1", "token": TOKEN, "cluster": "volcano_tts"},
            "user": {"uid": "byzer-lab"},
            "audio": {"voice_type": "BV705_streaming", "encoding": "wav"},
            "request": {"text": "你好，大帅哥", "text_type": "plain", "operation": "submit"},
        }


async def test_pieces_of_a_size() -> None:
    async with asked() as (made, server):
        server.script(speaks(b"abcde", b"fg"))
        got = await chunks(made, question('{"input": "x", "chunk_size": 3}'))
        assert [chunk.data for chunk in got[:-1]] == [b"abc", b"def", b"g"]


async def test_ten_megabytes() -> None:
    async with asked() as (made, server):
        server.script(speaks(b"x" * 10_000_000, b"y"))
        got = await chunks(made, question("x"))
        assert sum(len(chunk.data) for chunk in got) == 10_000_001


@pytest.mark.parametrize(
    ("code", "known"),
    [(3001, ProviderRequestError), (3003, ProviderRateLimitError), (9999, ProviderError)],
)
@pytest.mark.parametrize("packed", [True, False])
async def test_refusals(code: int, known: type[Exception], packed: bool) -> None:
    async with asked(saas__max_retries=0) as (made, server):
        server.script(Script([refusal(code, b'{"message": "too much"}', packed=packed)]))
        with pytest.raises(known, match=rf"too much \(code {code}\)"):
            await chunks(made, question("x"))


async def test_a_busy_server_is_asked_again() -> None:
    async with asked() as (made, server):
        busy = refusal(3005, b"busy", packed=False)
        server.script(Script(status=503), Script([busy]), speaks(b"abc"))
        got = await chunks(made, question("x"))
        assert got[-1].usage.provider.attempts == 3


async def test_a_refusal_in_the_middle_is_not_asked_again() -> None:
    async with asked() as (made, server):
        server.script(Script([sound(b"abc", 1), refusal(3005, b"busy")]))
        with pytest.raises(ProviderUnavailableError, match="busy"):
            await chunks(made, question("x"))


async def test_a_wrong_token() -> None:
    async with asked() as (made, server):
        server.script(Script(status=401))
        with pytest.raises(ProviderAuthenticationError, match="not you") as caught:
            await chunks(made, question("x"))
        assert TOKEN not in str(caught.value.to_wire())


async def test_cut_off() -> None:
    async with asked() as (made, server):
        server.script(Script([sound(b"abc", 1)], cut=True))
        got: list[Chunk] = []
        with pytest.raises(ProviderUnavailableError, match="broke its answer off"):
            await collect(made, got)
        assert [chunk.data for chunk in got] == [b"abc"]
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "bad",
    [b"", b"\x11", b"\x21\xb1\x00\x00", sound(b"abc", 1)[:-1], "a text", b"\x11\xf0\x11\x00abc"],
)
async def test_what_is_no_message(bad: Any) -> None:
    async with asked() as (made, server):
        server.script(Script([bad]))
        with pytest.raises(ProviderError, match="no message of its format"):
            await chunks(made, question("x"))


async def test_silence() -> None:
    async with asked(saas__timeout=0.05) as (made, server):
        server.script(speaks(b""), Script([UNDERSTOOD], hold=True))
        with pytest.raises(ProviderError, match="sent no sound"):
            await chunks(made, question("x"))
        with pytest.raises(ProviderUnavailableError, match=r"sent nothing for 0.05 s"):
            await chunks(made, question("x"))


async def test_leaving_closes_the_connection() -> None:
    async with asked() as (made, server):
        server.script(Script([sound(b"abc", 1)], hold=True))
        answer = made.generate(question("x"))
        assert (await anext(answer)).data == b"abc"
        await answer.aclose()
        async with asyncio.timeout(5):
            await server.left.wait()


async def test_nobody_there(unused_tcp_port: int) -> None:
    url = f"ws://127.0.0.1:{unused_tcp_port}"
    async with asked(saas__base_url=url, saas__max_retries=1) as (made, _):
        with pytest.raises(ProviderUnavailableError, match="can't be reached"):
            await chunks(made, question("x"))


def test_which_way() -> None:
    given = {"saas__api_key": TOKEN, "saas__app_id": "app1"}
    made = engine("saas/volcengine", **given)
    assert made.base_url == "wss://openspeech.bytedance.com"
    assert made.meta()["support_stream"]
    over_http = engine("saas/volcengine", saas__base_url="https://example.org", **given)
    assert over_http.base_url == "https://example.org"
    with pytest.raises(InvalidRequestError, match="app_id"):
        engine("saas/volcengine", saas__api_key=TOKEN)
