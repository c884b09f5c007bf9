"""What models that speak and models that listen are asked, and what a transcript is.

``llm_config``, the magics, the pages for models and the engines read these tables. The question
travels as the last message of a request: a JSON object with ``input`` (a text to speak) or
``audio`` (a sound as base64 or a ``data:`` URI) and the names below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from byzer_lab.schema import describe_parameters, parameter

MEDIA_TYPES = {
    "wav": "audio/wav",
    "flac": "audio/flac",
    "mp3": "audio/mpeg",
    "ogg": "audio/ogg",
    "opus": "audio/ogg",
    "pcm": "audio/pcm",
}
"""The media type of each format that local models speak in."""
SAMPLES = "samples"
"""The format of Byzer-LLM's bark: JSON with the samples as numbers."""
TRANSCRIPTS = ("json", "text", "srt", "vtt", "verbose_json")


@dataclass(frozen=True)
class Speaking:
    """What a request for a sound may set beside its text, the seed and the temperature."""

    voice: str | None = parameter(None, "Who speaks; by default the model's own voice.")
    response_format: str = parameter(
        "wav", "File format of the sound.", choices=(*MEDIA_TYPES, SAMPLES)
    )
    speed: float = parameter(1.0, "How fast to speak; 1 is normal.", least=0.25, most=4)
    silence_s: float = parameter(0.25, "Pause between two sentences.", unit="s", least=0, most=10)
    chunk_size: int | None = parameter(
        None, "Bytes of each piece of the sound.", unit="bytes", least=1
    )


@dataclass(frozen=True)
class Listening:
    """What a request for a transcript may set beside its sound and the temperature."""

    language: str | None = parameter(
        None, "Language of the sound, such as en or english; by default it is found out."
    )
    task: str = parameter(
        "transcribe", "translate writes it down in English.", choices=("transcribe", "translate")
    )
    prompt: str | None = parameter(None, "Text that comes before, or how names in it are written.")
    timestamp_granularities: list[str] | None = parameter(
        None, "What gets times of its own: segment, word.", choices=("segment", "word")
    )
    response_format: str | None = parameter(
        None, "Form of the transcript; by default a JSON object.", choices=TRANSCRIPTS
    )


SPEAKING = tuple(describe_parameters(Speaking))
LISTENING = tuple(describe_parameters(Listening))


class Word(msgspec.Struct):
    """A word and when it was said, in seconds from the beginning."""

    word: str
    start: float
    end: float


class Segment(msgspec.Struct):
    """A stretch of speech and when it was said, in seconds from the beginning."""

    id: int
    start: float
    end: float
    text: str


class Transcript(msgspec.Struct, omit_defaults=True):
    """What was said.

    Attributes:
        text: All of it.
        language: Name of the language, such as ``english``; empty where it is not known.
        duration: Of the sound, in seconds.
        segments: Its parts.
        words: Each word; empty where they were not asked for.
    """

    text: str
    language: str = ""
    duration: float = 0.0
    segments: list[Segment] = []
    words: list[Word] = []

    def __str__(self) -> str:
        return self.text

    def srt(self) -> str:
        """As subtitles in SubRip's form."""
        blocks = [
            f"{number}\n{_clock(part.start, ',')} --> {_clock(part.end, ',')}\n{part.text}\n"
            for number, part in enumerate(self.segments, 1)
        ]
        return "\n".join(blocks)

    def vtt(self) -> str:
        """As subtitles in WebVTT's form."""
        blocks = [
            f"{_clock(part.start, '.')} --> {_clock(part.end, '.')}\n{_cue(part.text)}\n"
            for part in self.segments
        ]
        return "\n".join(["WEBVTT\n", *blocks])

    def written(self, form: str, task: str = "transcribe", words: bool = False) -> str:
        """In one of :data:`TRANSCRIPTS`.

        Args:
            form: Which one.
            task: What was asked for.
            words: ``verbose_json`` tells the words.
        """
        if form == "text":
            return self.text
        if form == "srt":
            return self.srt()
        if form == "vtt":
            return self.vtt()
        if form == "json":
            return msgspec.json.encode({"text": self.text}).decode()
        told = {
            "task": task,
            "language": self.language,
            "duration": self.duration,
            "text": self.text,
            "segments": self.segments,
        }
        return msgspec.json.encode(told | ({"words": self.words} if words else {})).decode()


def joined(texts: Sequence[str]) -> str:
    """Parts of one text that follow each other; a part brings its own space."""
    return "".join(texts).strip()


def _clock(seconds: float, point: str) -> str:
    thousandths = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _cue(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("-->", "--&gt;")
