"""Pictures, speech and transcripts, asked with OpenAI's own client and with ours."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai as sdk
import pytest
import soundfile

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.media import Sound
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Progress
from tests.support.hearing import RATE, spoken
from tests.support.speakers import make_vits

MEDIA = "tests.support.talking:MediaEngine"


def deployed(llm: ByzerLLM, kind: str) -> str:
    llm.setup_infer_backend(MEDIA)
    llm.deploy(udf_name="media", infer_params={"media_type": kind})
    return "media"


@pytest.fixture(scope="module")
def ears(cluster: Runtime, hearing_model: Path, tmp_path_factory: Any) -> Iterator[ByzerLLM]:
    """A Whisper that hears, ``ear``, and a VITS with random weights, ``mouth``."""
    llm = ByzerLLM()
    llm.deploy(udf_name="ear", model_path=str(hearing_model), pretrained_model_type="whisper")
    vits = make_vits(tmp_path_factory.mktemp("vits") / "vits")
    llm.deploy(udf_name="mouth", model_path=str(vits), infer_params={"voice": "1"})
    yield llm
    for name in ("ear", "mouth"):
        llm.undeploy(name, force=True)


def wav(samples: Any) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE, format="WAV")
    return buffer.getvalue()


GERMAN = wav(spoken(["low", "high", "mid"], "de"))


def test_pictures(llm: ByzerLLM, openai: Any) -> None:
    name = deployed(llm, "image/png")
    found = openai.images.generate(model=name, prompt="a cat", n=2, size="512x512")
    first, second = (base64.b64decode(one.b64_json) for one in found.data)
    assert json.loads(first) == {"input": "a cat", "n": 2, "size": "512x512"}
    assert second == b"second"
    assert found.usage.output_tokens == 4
    with pytest.raises(sdk.BadRequestError) as caught:
        openai.images.generate(model=name, prompt="a cat", response_format="url")
    assert caught.value.param == "response_format"
    with pytest.raises(sdk.BadRequestError, match="speaks"):
        openai.audio.speech.create(model=name, input="hi", voice="alloy")


def test_speech(llm: ByzerLLM, openai: Any) -> None:
    name = deployed(llm, "audio/mpeg")
    with openai.audio.speech.with_streaming_response.create(
        model=name, input="hi", voice="alloy", speed=1.5, response_format="mp3"
    ) as answer:
        assert answer.headers["content-type"] == "audio/mpeg"
        sound = answer.read()
    question = sound.removesuffix(b"second")
    assert json.loads(question) == {
        "input": "hi",
        "voice": "alloy",
        "speed": 1.5,
        "response_format": "mp3",
    }


def test_transcripts_in_every_form(ears: ByzerLLM, openai: Any) -> None:
    create = openai.audio.transcriptions.create
    file = ("a.wav", GERMAN)
    assert create(model="ear", file=file).text == "tief hoch mittel"
    assert create(model="ear", file=file, language="en").text == "low high mid"
    assert create(model="ear", file=file, response_format="text") == "tief hoch mittel"
    assert "00:00:00,000 --> " in create(model="ear", file=file, response_format="srt")
    assert create(model="ear", file=file, response_format="vtt").startswith("WEBVTT")
    told = create(
        model="ear",
        file=file,
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert (told.text, told.language, told.duration) == ("tief hoch mittel", "german", 1.5)
    assert [word.word for word in told.words] == ["tief", "hoch", "mittel"]
    assert [segment.id for segment in told.segments] == [0, 1, 2]
    assert openai.audio.translations.create(model="ear", file=file).text == "low high mid"


def test_transcripts_as_they_come(ears: ByzerLLM, openai: Any) -> None:
    words = ["mid", "low", "high", "low", "mid"] * 3
    events = list(
        openai.audio.transcriptions.create(
            model="ear", file=("a.flac", wav(spoken(words))), stream=True
        )
    )
    deltas = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(deltas) >= 2
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text == "".join(deltas).strip() == " ".join(words)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"response_format": "xml"}, "none of json, text"),
        ({"timestamp_granularities[]": "word"}, "verbose_json only"),
        ({"stream": "true", "response_format": "srt"}, "comes whole"),
        ({"temperature": "warm"}, "temperature"),
        ({"sound": "x"}, "Unknown parameter: 'sound'"),
        ({"language": "xx"}, "doesn't know the language"),
        ({"model": "nobody"}, "nobody"),
        ({"model": "mouth"}, "no text to speak"),
    ],
)
def test_wrong_forms(
    ears: ByzerLLM, http: httpx.Client, fields: dict[str, str], sentence: str
) -> None:
    form = {"model": "ear", **fields}
    found = http.post("/v1/audio/transcriptions", data=form, files={"file": ("a.wav", GERMAN)})
    assert found.status_code in (400, 404)
    assert sentence in found.json()["error"]["message"]


def test_what_is_no_form_or_no_sound(ears: ByzerLLM, http: httpx.Client, counting: str) -> None:
    path = "/v1/audio/transcriptions"
    for sent, sentence in (
        ({"json": {"model": "ear"}}, "send a form"),
        ({"data": {"model": "ear"}, "files": {"other": ("a", b"x")}}, "Unknown parameter"),
        ({"data": {"model": "ear", "file": "/etc/passwd"}, "files": {"x": b""}}, "uploaded file"),
        ({"data": {"model": "ear"}, "files": {"file": ("a.wav", b"no sound")}}, "can't be read"),
        ({"data": {"model": "ear"}, "files": {"file": ("a.wav", b"")}}, "is empty"),
        ({"content": b"--x", "headers": {"content-type": "multipart/form-data"}}, "form"),
        ({"data": {"model": counting}, "files": {"file": ("a.wav", GERMAN)}}, "writes down"),
    ):
        found = http.post(path, **sent)
        assert found.status_code == 400, sentence
        assert sentence in found.json()["error"]["message"]


def test_a_local_model_speaks(ears: ByzerLLM, openai: Any) -> None:
    create = openai.audio.speech.create
    found = create(model="mouth", input="hello", voice="2", response_format="wav")
    assert found.response.headers["content-type"] == "audio/wav"
    samples, rate = soundfile.read(io.BytesIO(found.read()))
    assert (rate, len(samples) > 0) == (16_000, True)  # how long is a matter of chance
    assert create(model="mouth", input="hi", voice="0").response.headers["content-type"] == (
        "audio/mpeg"
    )
    with pytest.raises(sdk.BadRequestError, match=r"no voice 'alloy'; it has 0 to 2"):
        create(model="mouth", input="hello", voice="alloy")
    with pytest.raises(sdk.BadRequestError, match="response_format"):
        create(model="mouth", input="hello", voice="0", response_format="aac")


def test_our_client_listens(ears: ByzerLLM, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(GERMAN)
    samples = spoken(["low", "high", "mid"], "de")
    text = base64.b64encode(GERMAN).decode()
    given = [path, str(path), GERMAN, text, f"data:audio/wav;base64,{text}", (samples, RATE)]
    given += [(RATE, (samples * 32_767).astype(np.int16)), Sound(GERMAN, "audio/wav")]
    for audio in given:
        assert str(ears.transcribe(audio, "ear")) == "tief hoch mittel"
    steps: list[Progress] = []
    found = ears.transcribe(
        samples, "ear", rate=RATE, timestamps="word", task="translate", on_progress=steps.append
    )
    assert [word.word for word in found.words] == ["low", "high", "mid"]
    assert found.srt().startswith("1\n00:00:00,000 --> ")
    assert steps[-1].done == steps[-1].total
    with pytest.raises(InvalidRequestError, match="There is no file '/no/such.wav'"):
        ears.transcribe("/no/such.wav", "ear")
    with pytest.raises(InvalidRequestError, match="'mouth' is no model that writes down"):
        ears.transcribe(GERMAN, "mouth")


def test_our_client_speaks_and_byzer_llms_forms(ears: ByzerLLM, tmp_path: Path) -> None:
    sound = ears.speak("hello there. bye", "mouth", llm_config={"seed": 3})
    again = ears.speak("hello there. bye", "mouth", voice="1", llm_config={"seed": 3})
    assert sound.data == again.data
    assert sound.metadata["model"] == "mouth"
    samples, rate = sound.samples
    assert rate == 16_000
    raw = ears.speak("hello there. bye", "mouth", response_format="pcm", llm_config={"seed": 3})
    assert np.allclose(raw.samples[0], samples, atol=1e-3)
    assert raw.samples[1] == 16_000
    assert "data:audio/wav;base64,UklGR" in raw._repr_mimebundle_()["text/html"]
    assert sound.save(tmp_path / "hello").name == "hello.wav"
    with pytest.raises(InvalidRequestError, match="'ear' is no model that speaks"):
        ears.speak("hello", "ear")
    with pytest.raises(InvalidRequestError, match="'ear' is no model that draws"):
        ears.draw("a cat", "ear")
    turns = [{"role": "user", "content": json.dumps({"input": "hello", "voice": "1"})}]
    [found] = ears.chat_oai(turns, model="mouth", llm_config={"gen.seed": 3})
    assert found.output == ears.speak("hello", "mouth", llm_config={"seed": 3}).base64
    turns[0]["content"] = json.dumps({"instruction": "hello", "response_format": "samples"})
    [found] = ears.chat_oai(turns, model="mouth")
    assert set(json.loads(found.output)) == {"predict", "labels"}
    turns[0]["content"] = json.dumps({"rate": RATE, "voice": spoken(["mid"]).tolist()})
    [found] = ears.chat_oai(turns, model="ear")
    assert found.output == "mid"


def test_our_client_draws(llm: ByzerLLM) -> None:
    name = deployed(llm, "image/png")
    first, second = llm.draw("a cat", name, size="512x512", n=2)
    assert json.loads(first.data) == {"input": "a cat", "size": "512x512", "n": 2}
    assert (second.data, second.prompt, second.media_type) == (b"second", "a cat", "image/png")
    assert set(first._repr_mimebundle_()) == {"image/png", "text/plain"}
    with pytest.raises(InvalidRequestError, match="no model that speaks"):
        llm.speak("hello", name)


def test_what_is_too_large_is_not_put_into_a_notebook() -> None:
    large = Sound(b"x" * (9 << 20), "audio/wav")
    told = large._repr_mimebundle_()
    assert len(told["text/html"]) < 500
    assert "too large to be kept in a notebook" in told["text/plain"]
