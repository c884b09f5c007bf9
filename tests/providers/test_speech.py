"""Speech of Volcano Engine, Azure and MiniMax, and MiniMax's old chat."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest

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
from byzer_lab.providers.minimax import MiniMaxPro, MiniMaxSpeech
from byzer_lab.providers.openai_wire import MiniMax
from byzer_lab.types import Chunk, GenerateRequest, Message, Sampling
from tests.providers.dialects import DIALECTS, OK, minimax_pro, minimax_sound
from tests.providers.wire import KEY, asked, chunks, engine, question, text
from tests.support.scripted_http import Reply, answer, events

SOUND = bytes(range(256)) * 8
SSML = "{http://www.w3.org/2001/10/synthesis}"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"


@pytest.fixture(autouse=True)
def _no_long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_BACKOFF_S", 0.001)


def spoken(**fields: Any) -> GenerateRequest:
    """A question as Byzer-LLM's examples ask for speech."""
    return question(json.dumps({"input": "你好 <大帅哥> & co", **fields}, ensure_ascii=False))


def sound(got: list[Chunk]) -> bytes:
    return b"".join(chunk.data for chunk in got)


# -- Volcano Engine -------------------------------------------------------------------------


def volcano(**params: Any) -> Any:
    return asked("saas/volcengine", path="", **{"saas__app_id": "app1", **params})


def volcano_refusal(code: int) -> Reply:
    return answer({"reqid": "r1", "code": code, "message": "Bad luck", "operation": "query"})


async def test_volcano_sends() -> None:
    async with volcano() as (made, server):
        server.script(DIALECTS["volcengine"].whole("x"), DIALECTS["volcengine"].whole("x"))
        await chunks(made, spoken(voice="BV705_streaming", response_format="mp3"))
        more = {"voice": "BV001", "response_format": "wav", "speed": 1.2, "sample_rate": 16000}
        await chunks(made, spoken(**more))
        first, second = server.seen
        assert (first.method, first.target) == ("POST", "/api/v1/tts")
        assert first.headers["authorization"] == f"Bearer;{KEY}"
        sent = first.json
        reqid = sent["request"].pop("reqid")
        assert sent == {
            "app": {"appid": "app1", "token": KEY, "cluster": "volcano_tts"},
            "user": {"uid": "byzer-lab"},
            "audio": {"voice_type": "BV705_streaming", "encoding": "mp3"},
            "request": {"text": "你好 <大帅哥> & co", "text_type": "plain", "operation": "query"},
        }
        assert second.json["request"]["reqid"] != reqid
        assert second.json["audio"] == {
            "voice_type": "BV001",
            "encoding": "wav",
            "speed_ratio": 1.2,
            "rate": 16000,
        }


async def test_volcano_in_pieces() -> None:
    async with volcano() as (made, server):
        server.script(DIALECTS["volcengine"].whole("0123456789"))
        got = await chunks(made, spoken(chunk_size=4))
        assert [chunk.data for chunk in got[:-1]] == [b"0123", b"4567", b"89"]
        assert {chunk.media_type for chunk in got[:-1]} == {"audio/mpeg"}
        assert got[-1].usage.provider.request_id == "r1"


@pytest.mark.parametrize(
    ("code", "known"),
    [
        (3001, ProviderRequestError),
        (3010, ProviderRequestError),
        (3003, ProviderRateLimitError),
        (3031, ProviderUnavailableError),
        (4000, ProviderError),
    ],
)
async def test_volcano_refuses(code: int, known: type[Exception]) -> None:
    async with volcano(saas__max_retries=0) as (made, server):
        server.script(volcano_refusal(code))
        with pytest.raises(known, match="Bad luck") as caught:
            await chunks(made, spoken())
        assert type(caught.value) is known


async def test_volcano_is_asked_again_while_it_is_busy() -> None:
    async with volcano() as (made, server):
        server.script(
            volcano_refusal(3003), volcano_refusal(3005), DIALECTS["volcengine"].whole("x")
        )
        got = await chunks(made, spoken())
        assert sound(got) == b"x"
        assert got[-1].usage.provider.attempts == 3
        reqids = {seen.json["request"]["reqid"] for seen in server.seen}
        assert len(reqids) == 3  # the same one again would be refused


@pytest.mark.parametrize("data", ["", "no base64!", None, 3])
async def test_volcano_without_a_sound(data: Any) -> None:
    async with volcano() as (made, server):
        server.script(answer({"reqid": "r1", "code": 3000, "data": data}))
        with pytest.raises(ProviderError, match="sound"):
            await chunks(made, spoken())


def test_volcano_needs_key_and_application() -> None:
    with pytest.raises(InvalidRequestError, match="saas.app_id"):
        engine("saas/volcengine", saas__api_key=KEY)
    with pytest.raises(InvalidRequestError, match=r"saas.api_key = \$\{VOLCENGINE_TTS_TOKEN\}"):
        engine("saas/volcengine", saas__app_id="a")


# -- Azure ----------------------------------------------------------------------------------


async def test_azure_sends() -> None:
    async with asked("saas/azure", path="") as (made, server):
        server.script(Reply([SOUND], content_type="audio/mpeg"))
        got = await chunks(made, spoken(voice="zh-CN-XiaoxiaoNeural", response_format="mp3"))
        assert sound(got) == SOUND
        assert got[0].media_type == "audio/mpeg"
        seen = server.only
        assert (seen.method, seen.target) == ("POST", "/cognitiveservices/v1")
        assert seen.headers["ocp-apim-subscription-key"] == KEY
        assert seen.headers["content-type"] == "application/ssml+xml"
        assert seen.headers["x-microsoft-outputformat"] == "audio-48khz-192kbitrate-mono-mp3"
        assert seen.headers["user-agent"]
        speak = ElementTree.fromstring(seen.body)
        assert (speak.tag, speak.attrib["version"]) == (f"{SSML}speak", "1.0")
        assert speak.attrib[LANGUAGE] == "zh-CN"
        (voice,) = speak
        assert (voice.tag, voice.attrib) == (f"{SSML}voice", {"name": "zh-CN-XiaoxiaoNeural"})
        assert voice.text == "你好 <大帅哥> & co"


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        ("wav", "riff-24khz-16bit-mono-pcm"),
        ("pcm", "raw-24khz-16bit-mono-pcm"),
        ("opus", "ogg-24khz-16bit-mono-opus"),
        ("audio-24khz-96kbitrate-mono-mp3", "audio-24khz-96kbitrate-mono-mp3"),
    ],
)
async def test_azure_formats(form: str, sent: str) -> None:
    async with asked("saas/azure", path="/cognitiveservices/v1") as (made, server):
        server.script(Reply([SOUND], content_type="audio/x-wav"))
        await chunks(made, spoken(response_format=form, speed=1.5, language="en-US"))
        assert server.only.target == "/cognitiveservices/v1"
        assert server.only.headers["x-microsoft-outputformat"] == sent
        speak = ElementTree.fromstring(server.only.body)
        assert speak.attrib[LANGUAGE] == "en-US"
        assert speak[0][0].attrib == {"rate": "1.5"}


async def test_azure_comes_as_it_is_made() -> None:
    async with asked("saas/azure", path="") as (made, server):
        server.script(Reply([SOUND[:100]], content_type="audio/mpeg", hold=True))
        answering = made.generate(spoken())
        assert (await anext(answering)).data == SOUND[:100]  # while the rest is made
        await answering.aclose()
        await server.left.wait()


async def test_azure_refuses() -> None:
    async with asked("saas/azure", path="") as (made, server):
        server.script(
            Reply([], status=401, content_type="text/plain"),
            Reply([b"Unsupported voice zh-XX."], status=400, content_type="text/plain"),
            Reply([], content_type="audio/mpeg"),
        )
        with pytest.raises(ProviderAuthenticationError, match=r"\(401\)"):
            await chunks(made, spoken())
        with pytest.raises(ProviderRequestError, match="Unsupported voice"):
            await chunks(made, spoken())
        with pytest.raises(ProviderError, match="no sound: does it have the voice"):
            await chunks(made, spoken())


def test_azures_regions() -> None:
    place = "https://{}.tts.speech.microsoft.com"
    assert engine("saas/azure", saas__api_key=KEY).base_url == place.format("eastus")
    made = engine("saas/azure", saas__api_key=KEY, saas__service_region="chinaeast2")
    assert made.base_url == "https://chinaeast2.tts.speech.azure.cn"
    with pytest.raises(InvalidRequestError, match="saas.api_key"):
        engine("saas/azure")


# -- MiniMax --------------------------------------------------------------------------------


def minimax(path: str = "", **params: Any) -> Any:
    return asked("saas/minimax", path, **{"saas__model": "speech-02-turbo", **params})


async def test_minimax_sends() -> None:
    async with minimax("/v1", saas__group_id="group1") as (made, server):
        server.script(DIALECTS["minimax_speech"].whole("x"))
        got = await chunks(made, spoken(voice="female-1", speed=1.2, sample_rate=24000))
        assert sound(got) == b"x"
        assert got[-1].usage.provider.request_id == "trace_1"
        seen = server.only
        assert (seen.method, seen.target) == ("POST", "/v1/t2a_v2?GroupId=group1")
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        assert seen.json == {
            "model": "speech-02-turbo",
            "text": "你好 <大帅哥> & co",
            "stream": True,
            "stream_options": {"exclude_aggregated_audio": True},
            "voice_setting": {"voice_id": "female-1", "speed": 1.2},
            "audio_setting": {"format": "mp3", "sample_rate": 24000},
        }


async def test_minimax_without_a_stream() -> None:
    async with minimax() as (made, server):
        server.script(answer(minimax_sound(SOUND, 2)))
        got = await chunks(made, spoken(response_format="wav", language="Chinese"))
        assert sound(got) == SOUND
        assert got[0].media_type == "audio/wav"
        sent = server.only.json
        assert (sent["stream"], sent["language_boost"]) == (False, "Chinese")
        assert "stream_options" not in sent


async def test_minimax_repeats_the_sound_or_not() -> None:
    """The last event holds everything, nothing, or a last piece."""
    for last in (SOUND, b"", SOUND[200:]):
        async with minimax() as (made, server):
            rest = SOUND if last in (SOUND, b"") else SOUND[:200]
            pieces = [minimax_sound(rest[:100]), minimax_sound(rest[100:])]
            server.script(events(*pieces, minimax_sound(last, 2)))
            assert sound(await chunks(made, spoken())) == SOUND


@pytest.mark.parametrize(
    ("code", "known"),
    [
        (1004, ProviderAuthenticationError),
        (1008, ProviderQuotaError),
        (1026, ContentFilterError),
        (1002, ProviderRateLimitError),
        (2013, ProviderRequestError),
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
async def test_minimax_refuses(code: int, known: type[Exception], streamed: bool) -> None:
    refused = {"base_resp": {"status_code": code, "status_msg": "Bad luck"}, "trace_id": "t"}
    async with minimax(saas__max_retries=0) as (made, server):
        server.script(events(refused) if streamed else answer(refused))
        with pytest.raises(known, match="Bad luck") as caught:
            await chunks(made, spoken())
        assert caught.value.details["request_id"] == "t"


async def test_minimax_is_asked_again_while_it_is_busy() -> None:
    busy = {"base_resp": {"status_code": 1002, "status_msg": "rate limit"}}
    async with minimax() as (made, server):
        server.script(answer(busy), DIALECTS["minimax_speech"].whole("x"))
        got = await chunks(made, spoken())
        assert got[-1].usage.provider.attempts == 2


async def test_minimax_without_a_sound() -> None:
    async with minimax() as (made, server):
        server.script(
            events(minimax_sound(b"", 2)),
            events({"data": {"audio": "xyz", "status": 1}, "base_resp": OK}),
        )
        with pytest.raises(ProviderError, match="no sound"):
            await chunks(made, spoken())
        with pytest.raises(ProviderError, match="another shape"):
            await chunks(made, spoken())


async def test_questions_that_are_none() -> None:
    async with minimax() as (made, _):
        for content, words in [
            ('{"voice": "x"}', "There is no input"),
            ('{"input": "x", "colour": "red"}', "unknown name 'colour'"),
            ('{"input": "x", "speed": "fast"}', "speed is 'fast'"),
            ('{"input": "x", "chunk_size": 0}', "at least 1"),
        ]:
            with pytest.raises(InvalidRequestError, match=words):
                await chunks(made, question(content))


# -- MiniMax's old interface ------------------------------------------------------------------

PRO = "/v1/text/chatcompletion_pro"
ABAB = {"saas__model": "abab5.5-chat", "saas__group_id": "group1"}


async def test_the_old_chat_sends() -> None:
    async with minimax(PRO, **ABAB) as (made, server):
        server.script(DIALECTS["minimax_pro"].whole("Hi!"))
        turns = [
            Message("system", "Be short."),
            Message("user", "Hello?"),
            Message("assistant", "Yes?"),
            Message("user", "Well."),
        ]
        glyph = {"type": "raw", "raw_glyph": "x"}
        sampling = Sampling(max_tokens=7, temperature=0.5, options={"glyph": glyph})
        got = await chunks(made, GenerateRequest("r", turns, sampling=sampling))
        assert "".join(chunk.text for chunk in got) == "Hi!"
        assert got[-1].usage.input_tokens == 47
        assert got[-1].usage.provider.request_id == "req_1"
        assert server.only.target == f"{PRO}?GroupId=group1"
        assert server.only.json == {
            "model": "abab5.5-chat",
            "stream": True,
            "messages": [
                {"sender_type": "USER", "sender_name": "User", "text": "Hello?"},
                {"sender_type": "BOT", "sender_name": "Assistant", "text": "Yes?"},
                {"sender_type": "USER", "sender_name": "User", "text": "Well."},
            ],
            "bot_setting": [{"bot_name": "Assistant", "content": "Be short."}],
            "reply_constraints": {
                "sender_type": "BOT",
                "sender_name": "Assistant",
                "glyph": glyph,
            },
            "tokens_to_generate": 7,
            "temperature": 0.5,
        }


async def test_the_old_chat_in_one_piece() -> None:
    async with minimax(PRO, **ABAB) as (made, server):
        server.script(answer(minimax_pro("All.", "length")))
        got = await chunks(made, question())
        assert (got[0].text, got[-1].finish_reason) == ("All.", "length")


async def test_the_old_chat_may_end_with_a_piece() -> None:
    async with minimax(PRO, **ABAB) as (made, server):
        server.script(events(minimax_pro("A"), minimax_pro("ll."), minimax_pro("!", "stop")))
        assert await text(made) == "All.!"


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"saas__model": "speech-02-hd"}, MiniMaxSpeech),
        ({"model": "speech-2.6-turbo"}, MiniMaxSpeech),
        ({"saas__api_url": f"https://api.minimax.chat{PRO}"}, MiniMaxPro),
        ({"saas__model": "abab6.5s-chat"}, MiniMax),
        ({"saas__api_url": "https://api.minimax.io/v1"}, MiniMax),
    ],
)
def test_each_model_has_its_format(params: dict[str, str], found: type) -> None:
    assert type(engine("saas/minimax", saas__api_key=KEY, **params)) is found
