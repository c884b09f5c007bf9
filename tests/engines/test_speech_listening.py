"""Whisper: a tiny one that the tests train really hears, so its texts and times are checked."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.families import make_engine
from byzer_lab.engines.speech import ListeningEngine
from byzer_lab.errors import ContextLengthError, EngineError, InvalidRequestError
from byzer_lab.types import Chunk, GenerateRequest, Message, Sampling
from tests.support.hearing import RATE, spoken


def config(folder: Path | str, **parameters: Any) -> EngineConfig:
    return EngineConfig(str(folder), "custom/auto", parameters, concurrency=4)


@pytest.fixture(scope="module")
def engine(hearing_model: Path) -> Iterator[Any]:
    engine = make_engine("transformers", config(hearing_model))
    engine.load(lambda progress: None)
    yield engine
    asyncio.run(engine.close())


def wav(samples: Any, rate: int = RATE, form: str = "WAV") -> str:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form)
    return base64.b64encode(buffer.getvalue()).decode()


def request(question: Any, **sampling: Any) -> GenerateRequest:
    text = question if isinstance(question, str) else json.dumps(question)
    return GenerateRequest("test", [Message("user", text)], sampling=Sampling(**sampling))


async def chunks(engine: Any, question: Any, **sampling: Any) -> list[Chunk]:
    return [chunk async for chunk in engine.generate(request(question, **sampling))]


def ask(engine: Any, question: Any, **sampling: Any) -> str:
    return "".join(chunk.text for chunk in asyncio.run(chunks(engine, question, **sampling)))


def told(engine: Any, **question: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(ask(engine, question))
    return found


GERMAN = wav(spoken(["low", "high", "mid"], "de"))


def test_it_is_found_by_its_folder(engine: Any) -> None:
    assert isinstance(engine, ListeningEngine)
    meta = engine.meta()
    assert meta["transcribes"]
    assert meta["word_timestamps"]
    assert meta["languages"] == ["de", "en"]


def test_it_hears_words_and_tells_the_language(engine: Any) -> None:
    found = told(engine, audio=GERMAN)
    assert (found["text"], found["language"]) == ("tief hoch mittel", "german")
    assert found["duration"] == 1.5
    english = told(engine, audio=wav(spoken(["mid", "low"])))
    assert (english["text"], english["language"]) == ("mid low", "english")


def test_a_named_language_and_the_task_change_the_words(engine: Any) -> None:
    assert told(engine, audio=GERMAN, task="translate")["text"] == "low high mid"
    assert told(engine, audio=GERMAN, language="English")["text"] == "low high mid"
    for name in ("de", "German", "de-AT"):
        assert told(engine, audio=GERMAN, language=name)["text"] == "tief hoch mittel"


def test_times_are_where_the_sounds_are(engine: Any) -> None:
    found = told(engine, audio=GERMAN, timestamp_granularities=["segment", "word"])
    assert [part["text"] for part in found["segments"]] == ["tief", "hoch", "mittel"]
    for place, part in enumerate(found["segments"]):
        assert part["start"] == pytest.approx(place * 0.5, abs=0.1)
        assert part["end"] == pytest.approx(place * 0.5 + 0.4, abs=0.1)
    assert [word["word"] for word in found["words"]] == ["tief", "hoch", "mittel"]
    for place, word in enumerate(found["words"]):
        assert word["start"] <= word["end"]
        assert word["end"] == pytest.approx(place * 0.5 + 0.4, abs=0.4)
    assert "words" not in told(engine, audio=GERMAN, timestamp_granularities=["segment"])


def test_long_sounds_are_heard_part_by_part(engine: Any) -> None:
    words = ["low", "high", "mid", "mid", "low"] * 4
    sound = wav(spoken(words, rate=44_100), 44_100, "FLAC")
    question = {"audio": sound, "timestamp_granularities": ["segment"]}
    found = asyncio.run(chunks(engine, question))
    told = json.loads(found[-1].text)
    assert told["text"].split() == words
    starts = [part["start"] for part in told["segments"]]
    assert np.allclose(starts, np.arange(len(words)) * 0.5, atol=0.15)
    steps = [chunk.progress.done for chunk in found if chunk.progress]
    assert steps == sorted(steps)
    assert steps[-1] == 10
    assert len(steps) >= 4
    pieces = asyncio.run(chunks(engine, {"audio": sound, "response_format": "text"}))
    assert sum(bool(chunk.text) for chunk in pieces) >= 4
    assert "".join(chunk.text for chunk in pieces).split() == words


def test_every_form_of_a_transcript(engine: Any) -> None:
    assert json.loads(ask(engine, {"audio": GERMAN, "response_format": "json"})) == {
        "text": "tief hoch mittel"
    }
    srt = ask(engine, {"audio": GERMAN, "response_format": "srt"})
    first, second, _ = srt.split("\n\n")
    number, times, text = first.split("\n")
    assert (number, text) == ("1", "tief")
    assert second.startswith("2\n")
    assert times.startswith("00:00:00,")
    assert " --> 00:00:00," in times
    vtt = ask(engine, {"audio": GERMAN, "response_format": "vtt"})
    assert vtt.startswith("WEBVTT\n\n00:00:00.")
    assert "hoch" in vtt


def test_every_form_of_a_question(engine: Any) -> None:
    samples = spoken(["mid", "high"])
    assert ask(engine, {"rate": RATE, "voice": samples.tolist()}) == "mid high"
    whole = (samples * 32_767).round().astype(int)
    assert ask(engine, {"rate": RATE, "voice": whole.tolist()}) == "mid high"
    assert ask(engine, f"data:audio/wav;base64,{GERMAN}") == "tief hoch mittel"
    assert told(engine, audio={"data": GERMAN, "format": "wav"})["text"] == "tief hoch mittel"
    listed = json.dumps([{"audio": f"data:audio/wav;base64,{GERMAN}"}])
    assert json.loads(ask(engine, listed))["text"] == "tief hoch mittel"
    stereo = np.stack([samples, samples], axis=1)
    for form, rate in (("OGG", 48_000), ("MP3", 44_100), ("FLAC", 22_050)):
        sound = wav(spoken(["mid", "high"], rate=rate), rate, form)
        assert told(engine, audio=sound)["text"] == "mid high", form
    assert told(engine, audio=wav(stereo))["text"] == "mid high"


def test_llm_config_sets_what_the_message_leaves_open(engine: Any) -> None:
    options = {"language": "en", "response_format": "text"}
    assert ask(engine, {"audio": GERMAN}, options=options) == "low high mid"
    both = {"audio": GERMAN, "language": "de", "response_format": "json"}
    assert "tief" in ask(engine, both, options=options)


def test_silence_has_no_words(engine: Any) -> None:
    found = told(engine, audio=wav(np.zeros(RATE * 5)))
    assert found["text"] == ""
    assert found["segments"] == []
    assert found["language"] == ""


def test_what_comes_before_may_be_told(engine: Any) -> None:
    """The tiny model was not taught to use it; it must not be part of the text."""
    found = told(engine, audio=GERMAN, prompt="hoch " * 200, language="de")
    assert len(found["text"].split()) < 20


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("hello", "The message is a text"),
        ({}, "no sound in the message"),
        ({"audio": GERMAN, "voice": [0.1], "rate": RATE}, "two sounds"),
        ({"audio": "/etc/passwd"}, "neither base64 nor"),
        ({"audio": "file:///etc/passwd"}, "addresses are not opened"),
        ({"audio": "https://example.com/a.wav"}, "addresses are not opened"),
        ({"audio": base64.b64encode(b"no sound at all").decode()}, "send WAV, FLAC, OGG or MP3"),
        ({"audio": ""}, "is empty"),
        ({"audio": 5}, "must be a text"),
        ({"audio": wav(np.zeros(0))}, "no samples"),
        ({"audio": GERMAN, "language": "fr"}, "doesn't know the language 'fr'"),
        ({"audio": GERMAN, "langage": "de"}, "did you mean language"),
        ({"audio": GERMAN, "task": "sing"}, "one of transcribe, translate"),
        ({"audio": GERMAN, "timestamp_granularities": ["day"]}, "one of segment, word"),
        ({"rate": RATE, "voice": ["a"]}, "something else than numbers"),
        ({"rate": RATE, "voice": []}, "at least one"),
        ({"rate": RATE, "voice": [0.5, 7.5]}, "from -1 to 1"),
        ({"rate": RATE, "voice": [0.5, float("nan")]}, "no numbers"),
        ({"rate": 10**9, "voice": [0.5]}, "samples a second"),
        ({"voice": [0.5]}, "rate is None"),
    ],
)
def test_a_wrong_question_is_refused_in_one_sentence(
    engine: Any, question: Any, sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence) as caught:
        ask(engine, question)
    assert not isinstance(caught.value, ContextLengthError)
    assert "\n" not in caught.value.message


def test_ten_hours_are_refused_before_they_are_decoded(engine: Any) -> None:
    """Half a megabyte of FLAC that would be a gigabyte of samples."""
    hours = wav(np.zeros(8000 * 36_000, np.int16), 8000, "FLAC")
    assert len(hours) < 2_000_000
    with pytest.raises(InvalidRequestError, match=r"is 10:00:00 h long, more than the 2:00:00 h"):
        ask(engine, {"audio": hours})


def test_of_a_file_that_is_cut_off_the_beginning_is_heard_or_it_is_refused(engine: Any) -> None:
    whole = base64.b64decode(wav(spoken(["mid"] * 5)))
    cut = base64.b64encode(whole[: len(whole) // 2]).decode()
    assert set(told(engine, audio=cut)["text"].split()) == {"mid"}
    with pytest.raises(InvalidRequestError, match="audio"):
        told(engine, audio=base64.b64encode(whole[:30]).decode())


def test_requests_take_turns_and_leave(engine: Any) -> None:
    """Who leaves frees the model; the others go on."""
    long = {"audio": wav(spoken(["mid", "high"] * 30)), "response_format": "text"}

    async def leave() -> None:
        answer = engine.generate(request(long))
        async for _ in answer:
            break
        await answer.aclose()

    async def run() -> list[Any]:
        return await asyncio.gather(*(chunks(engine, long) for _ in range(2)), leave())

    first, second, _ = asyncio.run(run())
    texts = ["".join(chunk.text for chunk in found) for found in (first, second)]
    assert texts[0] == texts[1]
    assert len(texts[0].split()) > 50


def test_parameters_and_their_checks(hearing_model: Path) -> None:
    with pytest.raises(InvalidRequestError, match="max_audio_s"):
        make_engine("transformers", config(hearing_model, max_audio_s=0))
    with pytest.raises(InvalidRequestError, match="no parameter 'beams'"):
        make_engine("transformers", config(hearing_model, beams=2))
    with pytest.raises(InvalidRequestError, match="served by the transformers backend"):
        make_engine("vllm", EngineConfig(str(hearing_model), "whisper", {}, 1))


def test_a_short_limit_and_the_end(hearing_model: Path) -> None:
    engine: Any = make_engine("transformers", config(hearing_model, max_audio_s=1))
    engine.load(lambda progress: None)
    with pytest.raises(InvalidRequestError, match="more than the 0:01 min"):
        ask(engine, {"audio": GERMAN})
    asyncio.run(engine.close())
    asyncio.run(engine.close())
    with pytest.raises(EngineError, match="not loaded"):
        ask(engine, {"audio": GERMAN})


def test_another_model_is_refused(tmp_path: Path) -> None:
    from tests.support.speakers import make_vits

    engine: Any = make_engine("transformers", config(make_vits(tmp_path / "vits")))
    wrong = ListeningEngine(config(tmp_path / "vits"))
    assert type(engine).__name__ == "SpeakingEngine"
    with pytest.raises(InvalidRequestError, match="is a VitsModel, not a Whisper"):
        wrong.load(lambda progress: None)
