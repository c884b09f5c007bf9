"""Sounds, pictures and transcripts as user code has them; nothing is asked of a model."""

from __future__ import annotations

import base64
import io
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byzer_lab.client.media import Picture, Sound, audio_text, medium, wav_of
from byzer_lab.errors import InvalidRequestError
from byzer_lab.speech import Segment, Transcript, Word

RATE = 8000
SAMPLES = (np.sin(np.arange(RATE) / 10) * 0.5).astype(np.float32)


def read(text: str) -> tuple[np.ndarray[Any, Any], int]:
    with wave.open(io.BytesIO(base64.b64decode(text))) as file:
        whole = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert file.getnchannels() == 1
        return whole / 32_768, file.getframerate()


@pytest.mark.parametrize(
    ("audio", "rate"),
    [
        ((SAMPLES, RATE), None),
        ((RATE, (SAMPLES * 32_767).astype(np.int16)), None),
        (SAMPLES, RATE),
        (SAMPLES.tolist(), RATE),
        (SAMPLES.astype(np.float64), RATE),
        (np.stack([SAMPLES, SAMPLES]), RATE),
        (np.stack([SAMPLES, SAMPLES], axis=1), RATE),
    ],
)
def test_samples_become_a_file(audio: Any, rate: int | None) -> None:
    found, found_rate = read(audio_text(audio, rate))
    assert found_rate == RATE
    assert np.allclose(found, SAMPLES, atol=1e-3)


def test_files_bytes_and_base64(tmp_path: Path) -> None:
    data = wav_of(b"\0\0" * 10, RATE)
    text = base64.b64encode(data).decode()
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    for audio in (path, str(path), data, bytearray(data), memoryview(data), text):
        assert audio_text(audio) == text
    assert audio_text(Sound(data, "audio/wav")) == text
    assert audio_text(Sound(b"\0\0" * 10, "audio/pcm;rate=8000;channels=1")) == text
    assert audio_text(f"data:audio/wav;base64,{text}") == f"data:audio/wav;base64,{text}"


@pytest.mark.parametrize(
    ("audio", "rate", "sentence"),
    [
        ("/no/such.wav", None, "no file '/no/such.wav'"),
        (Path("/no/such.wav"), None, "no file '/no/such.wav'"),
        ("https://example.com/a.wav", None, "fetch it first"),
        (SAMPLES, None, "pass rate=16000"),
        ((SAMPLES, "fast"), None, "rate of the samples is 'fast'"),
        (["a", "b"], RATE, "no numbers"),
        ([], RATE, "at least one"),
        ([0.1, float("nan")], RATE, "one list of numbers"),
        (5, RATE, "A int is no sound"),
        (b"x" * (49 << 20), None, "has 49 MiB"),
    ],
)
def test_what_is_no_sound_is_told(audio: Any, rate: int | None, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        audio_text(audio, rate)


def test_sounds_and_pictures_are_shown_and_saved(tmp_path: Path) -> None:
    raw = Sound((SAMPLES * 32_767).astype("<i2").tobytes(), "audio/pcm;rate=8000;channels=1")
    samples, rate = raw.samples
    assert rate == RATE
    assert np.allclose(samples, SAMPLES, atol=1e-3)
    assert Sound(raw.file, "audio/wav").samples[1] == RATE
    assert 'src="data:audio/wav;base64,UklGR' in raw._repr_mimebundle_()["text/html"]
    assert isinstance(medium(b"x", "image/png"), Picture)
    assert isinstance(medium(b"x", "audio/mpeg"), Sound)
    assert Sound(b"x", "audio/mpeg").save(tmp_path / "a").name == "a.mp3"
    assert Picture(b"x", "image/jpeg").save(tmp_path / "b.jpeg").read_bytes() == b"x"
    evil = Sound(b"x", 'audio/x"><script>alert(1)</script>')._repr_mimebundle_()
    assert "<script>" not in evil["text/html"]


def test_forms_of_a_transcript() -> None:
    told = Transcript(
        "One & two.",
        "english",
        3661.5,
        [Segment(0, 0, 1.25, "One &"), Segment(1, 3600.5, 3661.5, "two <b>.")],
        [Word("One", 0, 0.5)],
    )
    assert str(told) == told.written("text") == "One & two."
    assert told.srt() == (
        "1\n00:00:00,000 --> 00:00:01,250\nOne &\n\n2\n01:00:00,500 --> 01:01:01,500\ntwo <b>.\n"
    )
    assert told.vtt() == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nOne &amp;\n\n"
        "01:00:00.500 --> 01:01:01.500\ntwo &lt;b>.\n"
    )
    assert told.written("json") == '{"text":"One & two."}'
    assert '"words"' in told.written("verbose_json", words=True)
    assert '"words"' not in told.written("verbose_json")
