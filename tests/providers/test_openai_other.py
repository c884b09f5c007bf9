"""Vectors, speech and pictures in OpenAI's wire format, with Byzer-LLM's JSON questions."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import pytest

from byzer_lab.engines.base import Embeds, Generates
from byzer_lab.errors import InvalidRequestError, ProviderError, ProviderUnavailableError
from byzer_lab.providers.vectors import shared
from byzer_lab.vectors import EmbedRequest
from tests.providers.wire import KEY, asked, chunks, question
from tests.support.scripted_http import Reply, answer

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(40))
MP3 = bytes(range(256)) * 40


def vectors(*rows: Any, tokens: int = 10) -> Reply:
    data = [{"index": place, "embedding": row} for place, row in enumerate(rows)]
    return answer({"data": data[::-1], "model": "m", "usage": {"prompt_tokens": tokens}})


def floats(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))


async def test_vectors_in_their_order() -> None:
    async with asked("saas/baichuan", saas__model="Baichuan-Text-Embedding") as (made, server):
        assert isinstance(made, Embeds)
        assert not isinstance(made, Generates)
        assert made.meta()["embedding_mode"]
        server.script(vectors([0.5, 1.0], [2.0, -1.0]))
        got = await made.embed(EmbedRequest("r", ["你好", "four characters"]))
        assert [floats(vector) for vector in got.vectors] == [[0.5, 1.0], [2.0, -1.0]]
        assert sum(got.tokens) == got.usage.input_tokens == 10
        assert server.only.path == "/v1/embeddings"
        assert server.only.json == {
            "model": "Baichuan-Text-Embedding",
            "input": ["你好", "four characters"],
        }


async def test_vectors_as_base64_and_of_length_one() -> None:
    packed = base64.b64encode(struct.pack("<2f", 3.0, 4.0)).decode()
    params = {"saas__model": "text-embedding-3-small", "saas__dimensions": 2}
    async with asked(**params) as (made, server):
        server.script(vectors(packed))
        got = await made.embed(EmbedRequest("r", ["x"], normalize=True))
        assert floats(got.vectors[0]) == pytest.approx([0.6, 0.8])
        assert server.only.json["dimensions"] == 2
        assert got.usage.provider.cost == pytest.approx(10 * 0.02 / 1e6)


async def test_many_texts_go_in_the_parts_that_the_provider_takes() -> None:
    async with asked("saas/qianwen", saas__model="text-embedding-v2") as (made, server):
        server.script(vectors(*[[1.0]] * 10), vectors(*[[1.0]] * 10), vectors(*[[1.0]] * 5))
        got = await made.embed(EmbedRequest("r", [f"text {number}" for number in range(25)]))
        assert len(got.vectors) == 25
        assert got.usage.input_tokens == 30
        sent = sorted((seen.json["input"] for seen in server.seen), key=lambda part: part[0])
        assert sorted(map(len, sent)) == [5, 10, 10]
        assert sorted(text for part in sent for text in part) == sorted(
            f"text {number}" for number in range(25)
        )


async def test_vectors_that_are_missing() -> None:
    async with asked(saas__model="text-embedding-3-small") as (made, server):
        server.script(vectors([1.0]), answer({"data": [{"embedding": None}]}))
        with pytest.raises(ProviderError, match="asked for 2 vectors and sent 1"):
            await made.embed(EmbedRequest("r", ["a", "b"]))
        with pytest.raises(ProviderError, match="JSON of another shape"):
            await made.embed(EmbedRequest("r", ["a"]))
        with pytest.raises(InvalidRequestError, match="no max_length"):
            await made.embed(EmbedRequest("r", ["a"], max_length=5))


def test_shares_add_up() -> None:
    for total in (0, 1, 7, 1000):
        assert sum(shared(total, ["", "a", "bb", "ccc" * 50])) == total
    assert not math.isnan(sum(shared(3, ["", ""])))


async def test_speech_as_it_comes() -> None:
    asks = {"input": "hello", "voice": "nova", "response_format": "wav", "speed": 2}
    async with asked(saas__model="tts-1") as (made, server):
        server.script(Reply([MP3[:100], MP3[100:]], content_type="audio/mpeg", gap_s=0.05))
        *pieces, last = await chunks(made, question(json.dumps(asks)))
        assert b"".join(piece.data for piece in pieces) == MP3
        assert len(pieces) >= 2
        assert {piece.media_type for piece in pieces} == {"audio/mpeg"}
        assert last.finish_reason == "stop"
        assert server.only.path == "/v1/audio/speech"
        assert server.only.json == {"model": "tts-1", **asks}


async def test_speech_of_a_text_and_in_pieces_of_a_size() -> None:
    async with asked(saas__model="gpt-4o-mini-tts") as (made, server):
        sounds = Reply([MP3], content_type="application/octet-stream")
        server.script(sounds, sounds)
        first, _ = await chunks(made, question("Just say it."))
        assert server.only.json == {
            "model": "gpt-4o-mini-tts",
            "input": "Just say it.",
            "voice": "alloy",
            "response_format": "mp3",
        }
        assert first.media_type == "audio/mpeg"
        *pieces, _ = await chunks(made, question('{"input": "x", "chunk_size": 1000}'))
        assert {len(piece.data) for piece in pieces[:-1]} == {1000}
        assert b"".join(piece.data for piece in pieces) == MP3


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        ('{"voice": "nova"}', "There is no input"),
        ("  ", "There is no input"),
        ('{"input": "x", "voise": "nova"}', "unknown name 'voise'"),
        ('{"input": "x", "speed": "fast"}', "speed is 'fast'; it must be a number"),
    ],
)
async def test_questions_for_speech_that_are_wrong(asks: str, says: str) -> None:
    async with asked(saas__model="tts-1") as (made, server):
        with pytest.raises(InvalidRequestError, match=says):
            await chunks(made, question(asks))
        assert not server.seen


async def test_speech_that_breaks_off_and_silence() -> None:
    async with asked(saas__model="tts-1") as (made, server):
        server.script(
            Reply([MP3[:50]], content_type="audio/mpeg", cut=True, gap_s=0.05),
            Reply([], content_type="audio/mpeg"),
            answer({"error": {"message": "No such voice."}}),
        )
        with pytest.raises(ProviderUnavailableError, match="broke its answer off"):
            await chunks(made, question("x"))
        with pytest.raises(ProviderError, match="sent no sound"):
            await chunks(made, question("x"))
        with pytest.raises(ProviderError, match="No such voice"):
            await chunks(made, question("x"))


async def test_a_picture() -> None:
    asks = {"input": "a white siamese cat", "size": "1024x1024", "quality": "standard"}
    async with asked(saas__model="dall-e-3") as (made, server):
        server.script(answer({"data": [{"b64_json": base64.b64encode(PNG).decode()}]}))
        first, last = await chunks(made, question(json.dumps(asks)))
        assert (first.data, first.media_type) == (PNG, "image/png")
        assert last.finish_reason == "stop"
        assert server.only.path == "/v1/images/generations"
        assert server.only.json == {
            "model": "dall-e-3",
            "prompt": "a white siamese cat",
            "size": "1024x1024",
            "quality": "standard",
            "response_format": "b64_json",
        }


async def test_several_pictures_by_address() -> None:
    async with asked("saas/siliconflow", saas__model="Kwai-Kolors/Kolors") as (made, server):
        links = [{"url": f"{server.url}/{number}.png"} for number in (1, 2)]
        server.script(
            answer({"images": links}),
            Reply([PNG], content_type="image/png"),
            Reply([PNG + b"2"], content_type="image/png"),
        )
        first, second, _ = await chunks(made, question('{"input": "two cats", "n": 2}'))
        assert (first.data, second.data) == (PNG, PNG + b"2")
        asks, *fetched = server.seen
        assert asks.json["n"] == 2
        assert "response_format" not in asks.json
        assert [(seen.method, seen.path) for seen in fetched] == [
            ("GET", "/1.png"),
            ("GET", "/2.png"),
        ]
        assert KEY not in str([seen.headers for seen in fetched])


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"data": []}, "failed"),
        ({"data": [{"b64_json": "***"}]}, "not base64"),
        ({"data": [{}]}, "sent no picture"),
    ],
)
async def test_pictures_that_are_none(body: Any, says: str) -> None:
    async with asked(saas__model="gpt-image-1") as (made, server):
        server.script(answer(body))
        with pytest.raises(ProviderError, match=says):
            await chunks(made, question("a cat"))


async def test_a_task_that_the_name_does_not_tell() -> None:
    async with asked(saas__model="house-voice", saas__task="speech") as (made, server):
        server.script(Reply([MP3], content_type="audio/mpeg"))
        first, _ = await chunks(made, question("x"))
        assert first.data


async def test_sounds_are_written_down() -> None:
    asks = {
        "audio": "data:audio/mpeg;base64," + base64.b64encode(MP3).decode(),
        "language": "en",
        "timestamp_granularities": ["word", "segment"],
    }
    told = {"text": "Hello.", "language": "english", "words": [], "segments": []}
    async with asked(saas__model="whisper-1") as (made, server):
        server.script(answer(told), answer(told), answer({"nothing": 1}))
        first, last = await chunks(made, question(json.dumps(asks)))
        assert json.loads(first.text) == told
        assert last.finish_reason == "stop"
        assert server.only.path == "/v1/audio/transcriptions"
        body = server.only.body
        assert MP3 in body
        for field, value in (
            ("model", "whisper-1"),
            ("language", "en"),
            ("response_format", "verbose_json"),
            ("timestamp_granularities[]", "word"),
        ):
            assert f'name="{field}"\r\n\r\n{value}\r\n'.encode() in body
        assert b'filename="audio.mp3"' in body
        await chunks(made, question(json.dumps({**asks, "task": "translate"})))
        assert server.seen[-1].path == "/v1/audio/translations"
        with pytest.raises(ProviderError):
            await chunks(made, question(json.dumps(asks)))


@pytest.mark.parametrize(
    ("asks", "says"),
    [
        ("hello", "There is no sound"),
        ('{"audio": "/etc/passwd"}', "paths and addresses are not opened"),
        ('{"audio": "AAAA", "langage": "en"}', "did you mean language"),
        ('{"audio": "AAAA", "timestamp_granularities": "word"}', "tells no times"),
    ],
)
async def test_wrong_questions_for_transcripts(asks: str, says: str) -> None:
    async with asked(saas__model="gpt-4o-transcribe") as (made, server):
        with pytest.raises(InvalidRequestError, match=says):
            await chunks(made, question(asks))
        assert not server.seen
