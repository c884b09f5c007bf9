"""Spark's WebSocket: signature, question, frames, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.families import make_engine
from byzer_lab.errors import (
    ContentFilterError,
    InvalidRequestError,
    ProviderAuthenticationError,
    ProviderError,
    ProviderQuotaError,
    ProviderRateLimitError,
    ProviderRequestError,
    ProviderUnavailableError,
)
from byzer_lab.providers import http
from byzer_lab.providers.openai_wire import SparkHTTP
from byzer_lab.providers.sparkdesk import DOMAINS, signed_url
from byzer_lab.types import GenerateRequest, Message, Sampling
from tests.providers.wire import chunks, question, text
from tests.support.spark_server import (
    API_KEY,
    API_SECRET,
    Script,
    SparkServer,
    frame,
    refusal,
    spark_server,
)

KEYS = {"saas.appid": "app1", "saas.api_key": API_KEY, "saas.api_secret": API_SECRET}
TEXT = "你好，世界 🙂 “quoted”"


def spark(**params: Any) -> Any:
    named = {name.replace("__", "."): value for name, value in params.items()}
    config = EngineConfig("", "saas/sparkdesk", {**KEYS, **named}, 8)
    return make_engine("transformers", config)


@contextlib.asynccontextmanager
async def asked(path: str = "/v3.5/chat", **params: Any) -> AsyncIterator[tuple[Any, SparkServer]]:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(spark_server())
        made = spark(**{"saas__gpt_url": server.url + path, **params})
        await stack.enter_async_context(made)
        made.load(lambda progress: None)
        yield made, server


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_BACKOFF_S", 0.001)


def answer(*texts: str) -> Script:
    return Script([*(frame(text, 0 if not n else 1) for n, text in enumerate(texts)), frame("", 2)])


def test_the_example_of_the_documentation() -> None:
    """www.xfyun.cn/doc/spark/general_url_authentication.html, with its date, key and secret."""
    made = signed_url(
        "wss://spark-api.xf-yun.com/v1.1/chat",
        "addd2272b6d8b7c8abdd79531420ca3b",
        "MjlmNzkzNmZkMDQ2OTc0ZDdmNGE2ZTZi",
        1683283419,
    )
    parts = urlsplit(made)
    assert (parts.scheme, parts.netloc, parts.path) == ("wss", "spark-api.xf-yun.com", "/v1.1/chat")
    assert parse_qs(parts.query) == {
        "authorization": [
            "YXBpX2tleT0iYWRkZDIyNzJiNmQ4YjdjOGFiZGQ3OTUzMTQyMGNhM2IiLCBhbGdvcml0aG09ImhtYWMtc2hhMjU2"
            "IiwgaGVhZGVycz0iaG9zdCBkYXRlIHJlcXVlc3QtbGluZSIsIHNpZ25hdHVyZT0iejVnSGR1M3B4VlY0QURNeWs0"
            "Njd3T1dEUTlxNkJRelIzbmZNVGpjL0RhUT0i"
        ],
        "date": ["Fri, 05 May 2023 10:43:39 GMT"],
        "host": ["spark-api.xf-yun.com"],
    }


async def test_what_is_sent() -> None:
    async with asked() as (made, server):
        server.script(answer("Hi"))
        turns = [
            Message("system", "Be short."),
            Message("user", "Hello?"),
            Message("assistant", "Yes?"),
            Message("user", "Well."),
        ]
        sampling = Sampling(max_tokens=7, temperature=0.5, top_k=5)
        await chunks(made, GenerateRequest("r", turns, sampling=sampling))
        assert server.paths == ["/v3.5/chat"]
        assert server.questions == [
            {
                "header": {"app_id": "app1", "uid": "byzer-lab"},
                "parameter": {
                    "chat": {
                        "domain": "generalv3.5",
                        "max_tokens": 7,
                        "temperature": 0.5,
                        "top_k": 5,
                    }
                },
                "payload": {
                    "message": {
                        "text": [
                            {"role": "system", "content": "Be short."},
                            {"role": "user", "content": "Hello?"},
                            {"role": "assistant", "content": "Yes?"},
                            {"role": "user", "content": "Well."},
                        ]
                    }
                },
            }
        ]


async def test_pieces_usage_and_facts() -> None:
    async with asked() as (made, server):
        frames = [frame(TEXT[:3], 0), frame(TEXT[3:]), frame("!", 2)]
        frames[0]["payload"]["choices"]["text"][0]["reasoning_content"] = "Hm."
        server.script(Script(frames))
        got = await chunks(made, question())
        assert [chunk.reasoning for chunk in got if chunk.reasoning] == ["Hm."]
        assert [chunk.text for chunk in got if chunk.text] == [TEXT[:3], TEXT[3:], "!"]
        last = got[-1]
        assert last.finish_reason == "stop"
        assert (last.usage.input_tokens, last.usage.output_tokens) == (5, 9)
        assert last.usage.provider.request_id == "cht000cb087"


@pytest.mark.parametrize(("path", "domain"), DOMAINS.items())
async def test_the_domain_of_each_version(path: str, domain: str) -> None:
    async with asked(path) as (made, server):
        server.script(answer("Hi"))
        await chunks(made, question())
        assert server.questions[0]["parameter"]["chat"]["domain"] == domain
        assert made.meta()["model_name"] == domain


@pytest.mark.parametrize(
    ("params", "url", "domain"),
    [
        ({}, "wss://spark-api.xf-yun.com/v3.5/chat", "generalv3.5"),
        ({"saas__domain": "generalv3"}, "wss://spark-api.xf-yun.com/v3.1/chat", "generalv3"),
        ({"saas__model": "4.0Ultra"}, "wss://spark-api.xf-yun.com/v4.0/chat", "4.0Ultra"),
        ({"domain": "lite"}, "wss://spark-api.xf-yun.com/v1.1/chat", "lite"),
        # As Byzer-LLM's SQL example writes it, without the prefix.
        (
            {"gpt_url": "ws://spark-api.xf-yun.com/v1.1/chat"},
            "ws://spark-api.xf-yun.com/v1.1/chat",
            "general",
        ),
        (
            {"saas__gpt_url": "https://spark-api.xf-yun.com/v2.1/chat"},
            "wss://spark-api.xf-yun.com/v2.1/chat",
            "generalv2",
        ),
        (
            {"saas__gpt_url": "wss://maas-api.cn-huabei-1.xf-yun.com/v1.1/x", "domain": "patch"},
            "wss://maas-api.cn-huabei-1.xf-yun.com/v1.1/x",
            "patch",
        ),
    ],
)
def test_addresses_and_domains(params: dict[str, str], url: str, domain: str) -> None:
    made = spark(**params)
    assert (made.base_url, made.model) == (url, domain)


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"saas__appid": None}, r"saas.appid; .*\$\{SPARK_APPID\}"),
        ({"saas__api_key": None}, r"saas.api_key; .*\$\{SPARK_API_KEY\}"),
        ({"saas__api_secret": ""}, r"saas.api_secret; .*\$\{SPARK_API_SECRET\}"),
        ({"saas__gpt_url": "spark-api.xf-yun.com/v3.5/chat"}, "must begin with wss://"),
        ({"saas__gpt_url": "wss://example.com/other"}, "needs saas.domain"),
        ({"saas__domain": "general9"}, "no address of the domain 'general9'"),
        ({"saas__gpt_ulr": "x"}, "gpt_url"),
    ],
)
def test_what_must_be_given(params: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        spark(**params)


def test_the_password_alone_means_http() -> None:
    config = EngineConfig("", "saas/sparkdesk", {"saas.api_password": "abc:def"}, 8)
    assert type(make_engine("transformers", config)) is SparkHTTP
    assert type(spark(saas__api_password="abc:def")) is not SparkHTTP


async def test_a_wrong_signature() -> None:
    async with asked(saas__api_secret="not the secret") as (made, server):
        with pytest.raises(ProviderAuthenticationError, match="HMAC signature") as caught:
            await chunks(made, question())
        assert caught.value.details["status"] == 401
        assert "not the secret" not in str(caught.value.to_wire())
        assert len(server.paths) == 1


@pytest.mark.parametrize(
    ("code", "known"),
    [
        (10013, ContentFilterError),
        (10907, ProviderRequestError),
        (11200, ProviderAuthenticationError),
        (11201, ProviderQuotaError),
        (99999, ProviderError),
    ],
)
async def test_refusals(code: int, known: type[Exception]) -> None:
    async with asked() as (made, server):
        server.script(Script([refusal(code)]))
        with pytest.raises(known, match=rf"Bad luck \(code {code}\)") as caught:
            await chunks(made, question())
        assert type(caught.value) is known
        assert caught.value.details["request_id"] == "cht1"


async def test_a_busy_spark_is_asked_again() -> None:
    async with asked() as (made, server):
        server.script(
            Script(status=503, body="busy"),
            Script([refusal(11202)]),
            Script([refusal(10110)]),
            answer("Hi"),
        )
        got = await chunks(made, question())
        assert got[0].text == "Hi"
        assert got[-1].usage.provider.attempts == 4


async def test_retries_end() -> None:
    async with asked(saas__max_retries=1) as (made, server):
        server.script(Script([refusal(11203)]), Script([refusal(11203)]))
        with pytest.raises(ProviderRateLimitError):
            await chunks(made, question())


async def test_a_refusal_in_the_middle_is_not_asked_again() -> None:
    async with asked() as (made, server):
        server.script(Script([frame("a", 0), refusal(11202)]))
        with pytest.raises(ProviderRateLimitError):
            await chunks(made, question())


@pytest.mark.parametrize("frames", [[], [frame("a", 0)]])
async def test_cut_off(frames: list[Any]) -> None:
    """Before and after the first piece: the question was sent, so it is not sent again."""
    async with asked() as (made, server):
        server.script(Script(frames, cut=True))
        with pytest.raises(ProviderUnavailableError, match="broke its answer off"):
            await chunks(made, question())
        assert len(server.paths) == 1


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ("{oops", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ({"header": {}}, "another shape"),
        ({"payload": {}}, "another shape"),
        ({"header": {"code": 0}, "payload": {"choices": {"text": 3}}}, "another shape"),
    ],
)
async def test_what_is_no_frame(bad: Any, words: str) -> None:
    async with asked() as (made, server):
        server.script(Script([bad]))
        with pytest.raises(ProviderError, match=words):
            await chunks(made, question())


async def test_nobody_there() -> None:
    url = "ws://127.0.0.1:9/v3.5/chat"
    async with spark(saas__gpt_url=url, saas__max_retries=0) as made:
        made.load(lambda progress: None)
        with pytest.raises(ProviderUnavailableError, match=r"can't be reached at ws://127.0.0.1:9"):
            await chunks(made, question())


async def test_a_silent_spark() -> None:
    async with asked(saas__timeout=0.05) as (made, server):
        server.script(Script([frame("a", 0)], hold=True))
        with pytest.raises(ProviderUnavailableError, match="sent nothing for 0.05 s"):
            await chunks(made, question())
        await asyncio.wait_for(server.left.wait(), 10)


async def test_leaving_closes_the_connection() -> None:
    async with asked() as (made, server):
        server.script(Script([frame("one", 0)], hold=True))
        answering = made.generate(question())
        assert (await anext(answering)).text == "one"
        await answering.aclose()
        await asyncio.wait_for(server.left.wait(), 10)


async def test_cancelling_closes_the_connection() -> None:
    async with asked() as (made, server):
        server.script(Script([frame("one", 0)], hold=True))
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


async def test_ten_megabytes_in_one_frame() -> None:
    long = TEXT * 300_000
    async with asked() as (made, server):
        server.script(Script([frame(long, 2)]))
        assert await text(made) == long


async def test_a_burst_of_questions_keeps_answers_apart() -> None:
    async with asked() as (made, server):
        server.script(*(answer("a", "b") for _ in range(200)))
        answers = await asyncio.gather(*(text(made) for _ in range(200)))
        assert answers == ["ab"] * 200


async def test_from_an_address_of_this_machine() -> None:
    async with asked(saas__local_address="127.0.0.2") as (made, server):
        server.script(answer("Hi"))
        assert await text(made) == "Hi"
        assert server.peers == ["127.0.0.2"]


async def test_pictures_and_probabilities_are_refused() -> None:
    async with asked() as (made, _):
        with pytest.raises(InvalidRequestError, match="logprobs"):
            await chunks(made, question(logprobs=1))
        parts = '[{"image": "iVBORw0KGgoAAAANSUhEUg==", "text": "What?"}]'
        with pytest.raises(InvalidRequestError, match="can't see pictures"):
            await chunks(made, question(parts))


async def test_closed() -> None:
    made = spark()
    with pytest.raises(ProviderError, match="not loaded"):
        await chunks(made, question())
    made.load(lambda progress: None)
    await made.close()
    await made.close()
    with pytest.raises(ProviderError, match="closed"):
        await chunks(made, question())


async def test_through_a_proxy() -> None:
    """The proxy connects to what it is told, and passes everything on."""
    asked_for: list[str] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while block := await reader.read(65536):
            writer.write(block)
        writer.close()

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        method, place, _ = (await reader.readuntil(b"\r\n\r\n")).decode().split(" ", 2)
        asked_for.append(f"{method} {place}")
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        far_reader, far_writer = await asyncio.open_connection(*place.split(":"))
        await asyncio.gather(pass_on(reader, far_writer), pass_on(far_reader, writer))

    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        async with asked(saas__proxies=f"http://127.0.0.1:{port}") as (made, server):
            server.script(answer("Hi"))
            assert await text(made) == "Hi"
            assert asked_for == [f"CONNECT {urlsplit(server.url).netloc}"]
