"""Bark and VITS with random weights: what they say is noise, and how they say it is checked."""

from __future__ import annotations

import asyncio
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
from byzer_lab.engines.speech import SpeakingEngine
from byzer_lab.engines.speech.sentences import sentences
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Chunk, GenerateRequest, Message, Sampling
from tests.support.speakers import VOICES, make_bark, make_vits


def loaded(folder: Path, kind: str = "custom/auto", **parameters: Any) -> Any:
    engine = make_engine("transformers", EngineConfig(str(folder), kind, parameters, 4))
    engine.load(lambda progress: None)
    return engine


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("speakers")
    return {"bark": make_bark(base / "bark"), "vits": make_vits(base / "vits")}


@pytest.fixture(scope="module")
def bark(folders: dict[str, Path]) -> Iterator[Any]:
    engine = loaded(folders["bark"])
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="module")
def vits(folders: dict[str, Path]) -> Iterator[Any]:
    engine = loaded(folders["vits"])
    yield engine
    asyncio.run(engine.close())


async def chunks(engine: Any, question: Any, **sampling: Any) -> list[Chunk]:
    text = question if isinstance(question, str) else json.dumps(question)
    request = GenerateRequest("test", [Message("user", text)], sampling=Sampling(**sampling))
    return [chunk async for chunk in engine.generate(request)]


def say(engine: Any, question: Any, **sampling: Any) -> bytes:
    sampling.setdefault("seed", 1)
    return b"".join(chunk.data for chunk in asyncio.run(chunks(engine, question, **sampling)))


def samples_of(data: bytes) -> tuple[np.ndarray[Any, Any], int]:
    samples, rate = soundfile.read(io.BytesIO(data))
    return samples, rate


def test_bark_speaks_a_wave_of_24_kilohertz(bark: Any) -> None:
    assert isinstance(bark, SpeakingEngine)
    meta = bark.meta()
    assert meta["speaks"]
    assert meta["voices"] == list(VOICES)
    assert meta["sample_rate"] == 24_000
    samples, rate = samples_of(say(bark, "Good morning"))
    assert rate == 24_000
    assert len(samples) > 1000
    assert np.abs(samples).max() > 0


def test_a_seed_repeats_and_none_differs(bark: Any, vits: Any) -> None:
    for engine in (bark, vits):
        assert say(engine, "hello there", seed=7) == say(engine, "hello there", seed=7)
        assert say(engine, "hello there", seed=7) != say(engine, "hello there", seed=8)
        told = {"input": "hello there", "seed": 7}
        assert say(engine, told, seed=None) == say(engine, "hello there", seed=7)
        assert say(engine, "hello there", seed=None) != say(engine, "hello there", seed=None)


def test_voices_differ_and_are_found_without_their_prefix(bark: Any, vits: Any) -> None:
    english, chinese = (say(bark, {"input": "hello", "voice": name}) for name in VOICES)
    assert english != chinese
    assert say(bark, {"input": "hello", "voice": "zh_speaker_1"}) == chinese
    voices = [say(vits, {"input": "hello", "voice": str(number)}) for number in range(3)]
    assert len(set(voices)) == 3
    assert say(vits, "hello", options={"voice": "2"}) == voices[2]


def test_each_sentence_has_the_voice_of_its_language(bark: Any) -> None:
    """Where nobody is named."""
    assert say(bark, "hello") == say(bark, {"input": "hello", "voice": VOICES[0]})
    assert say(bark, "你好") == say(bark, {"input": "你好", "voice": VOICES[1]})


def test_a_deployments_voice_speaks_where_nobody_is_named(folders: dict[str, Path]) -> None:
    engine = loaded(folders["vits"], voice="2")
    assert say(engine, "hello") == say(engine, {"input": "hello", "voice": "2"})
    asyncio.run(engine.close())
    with pytest.raises(InvalidRequestError, match="no voice '9'; it has 0 to 2"):
        loaded(folders["vits"], voice="9")


def test_sentences_are_spoken_one_by_one_with_pauses(vits: Any) -> None:
    first, second = (samples_of(say(vits, text))[0] for text in ("hello.", "bye!"))
    both, rate = samples_of(say(vits, "hello. bye!"))
    pause = rate // 4
    assert len(both) == len(first) + pause + len(second)
    assert not both[len(first) : len(first) + pause].any()
    assert np.array_equal(both[-len(second) :], second)
    longer, _ = samples_of(say(vits, {"input": "hello. bye!", "silence_s": 1.5}))
    assert len(longer) == len(both) + rate * 5 // 4
    steps = [chunk.progress for chunk in asyncio.run(chunks(vits, "a. b. c.")) if chunk.progress]
    assert [(step.done, step.total) for step in steps] == [(1, 3), (2, 3), (3, 3)]


def test_speed_and_temperature_of_vits(vits: Any) -> None:
    normal, quick = (
        len(samples_of(say(vits, {"input": "hello there my friend", "speed": speed}))[0])
        for speed in (1, 2)
    )
    assert quick == pytest.approx(normal / 2, rel=0.25)
    calm = [say(vits, "hello there", seed=seed, temperature=0.0) for seed in (1, 2)]
    assert calm[0] == calm[1]


@pytest.mark.parametrize(
    ("form", "kind", "container"),
    [
        ("wav", "audio/wav", "WAV"),
        ("flac", "audio/flac", "FLAC"),
        ("mp3", "audio/mpeg", "MP3"),
        ("ogg", "audio/ogg", "OGG"),
        ("opus", "audio/ogg", "OGG"),
    ],
)
def test_formats(vits: Any, form: str, kind: str, container: str) -> None:
    found = asyncio.run(chunks(vits, {"input": "hello", "response_format": form}))
    data = b"".join(chunk.data for chunk in found)
    assert {chunk.media_type for chunk in found if chunk.data} == {kind}
    assert soundfile.info(io.BytesIO(data)).format == container


def test_raw_samples_come_sentence_by_sentence(vits: Any) -> None:
    question = {"input": "hello. bye!", "response_format": "pcm"}
    found = [chunk for chunk in asyncio.run(chunks(vits, question, seed=1)) if chunk.data]
    assert len(found) == 3
    assert found[0].media_type == "audio/pcm;rate=16000;channels=1"
    raw = np.frombuffer(b"".join(chunk.data for chunk in found), "<i2") / 32_767
    whole, _ = samples_of(say(vits, "hello. bye!"))
    assert np.allclose(raw, whole, atol=1e-3)
    sized = asyncio.run(chunks(vits, {**question, "chunk_size": 100}, seed=1))
    sizes = [len(chunk.data) for chunk in sized if chunk.data]
    assert max(sizes) == 100
    assert sum(sizes) == 2 * len(raw)


def test_byzer_llms_form_of_barks_answer(bark: Any) -> None:
    question = {"instruction": "hello", "response_format": "samples"}
    text = "".join(chunk.text for chunk in asyncio.run(chunks(bark, question, seed=1)))
    found = json.loads(text)
    assert found["labels"] == ""
    samples, _ = samples_of(say(bark, "hello"))
    assert np.allclose(np.clip(found["predict"], -1, 1), samples, atol=1e-3)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("", "no text to speak"),
        ({"voice": "0"}, "no text to speak"),
        ({"input": "a", "text": "b"}, "no text to speak"),
        ({"input": "hello", "voice": "alloy"}, "no voice 'alloy'; it has 0 to 2"),
        ({"input": "hello", "response_format": "aac"}, "response_format is 'aac'"),
        ({"input": "hello", "speed": 9}, "from 0.25 to 4"),
        ({"input": "hello", "sped": 1}, "did you mean speed"),
        ({"input": "x" * 30_000}, "30000 characters, more than the 20000"),
    ],
)
def test_a_wrong_question_is_refused(vits: Any, question: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        say(vits, question)


def test_bark_refuses_what_it_cannot_do(bark: Any) -> None:
    with pytest.raises(InvalidRequestError, match="Bark speaks as its voice does"):
        say(bark, {"input": "hello", "speed": 2})
    with pytest.raises(InvalidRequestError, match=r"did you mean v2/en_speaker_1"):
        say(bark, {"input": "hello", "voice": "v2/en_speaker_2"})


def test_a_voice_reads_no_file_outside_of_its_folder(folders: dict[str, Path]) -> None:
    listed = folders["bark"] / "speaker_embeddings_path.json"
    before = listed.read_text()
    outside = dict.fromkeys(("semantic_prompt", "coarse_prompt", "fine_prompt"), "../../x.npy")
    listed.write_text(json.dumps({"evil": outside}))
    try:
        engine = loaded(folders["bark"])
        with pytest.raises(InvalidRequestError, match="lacks its file"):
            say(engine, {"input": "hello", "voice": "evil"})
        asyncio.run(engine.close())
    finally:
        listed.write_text(before)


def test_leaving_frees_the_model(bark: Any) -> None:
    async def leave() -> None:
        request = GenerateRequest("test", [Message("user", "one. " * 50)])
        answer = bark.generate(request)
        async for _ in answer:
            break
        await answer.aclose()
        assert len(await chunks(bark, "hello")) == 3

    asyncio.run(leave())


def test_missing_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    from byzer_lab.errors import EngineError

    folder = tmp_path / "vits"
    shutil.copytree(folders["vits"], folder)
    weights = load_file(folder / "model.safetensors")
    weights.pop("decoder.conv_post.weight")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineError, match=r"decoder.conv_post.weight missing"):
        loaded(folder)


def test_a_text_as_sentences() -> None:
    assert sentences("One. Two!  Three?") == ["One.", "Two!", "Three?"]
    assert sentences("你好。世界！\n好") == ["你好。", "世界！", "好"]
    assert sentences('He said "no." Then he left.') == ['He said "no."', "Then he left."]
    assert sentences("3.14 is a number") == ["3.14 is a number"]
    long = "word " * 100
    parts = sentences(long)
    assert max(map(len, parts)) <= 240
    assert " ".join(parts) == long.strip()
    assert sentences("x" * 500) == ["x" * 240, "x" * 240, "x" * 20]
    assert sentences("  \n ") == []
