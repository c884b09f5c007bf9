"""What a request asks of a model that listens or speaks, in the forms that Byzer-LLM has."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import GENERATION, check_generation
from byzer_lab.schema import read_values
from byzer_lab.speech import LISTENING, SPEAKING, Listening, Speaking
from byzer_lab.types import GenerateRequest

if TYPE_CHECKING:
    from byzer_lab.engines.audio import Recording

TEXTS = ("input", "instruction", "text")
"""Names of the text that is to be spoken; ``instruction`` is Byzer-LLM's."""
CHANCE = ("temperature", "seed")
NO_FORM = (
    'a model that listens is sent one message: {"audio": BASE64} as JSON (also a data: URI), or '
    '{"rate": 16000, "voice": [SAMPLES]}'
)


@dataclass(frozen=True)
class Heard:
    """A sound that is to be written down.

    Attributes:
        recording: The sound.
        wanted: How.
        form: One of :data:`byzer_lab.speech.TRANSCRIPTS`.
        temperature: 0 takes the likeliest text.
        seed: Of the chance, where the temperature is above 0.
    """

    recording: Recording
    wanted: Listening
    form: str
    temperature: float
    seed: int | None

    @property
    def segments(self) -> bool:
        """Whether segments are to have times."""
        listed = self.wanted.timestamp_granularities or ()
        return self.words or "segment" in listed or self.form in ("srt", "vtt")

    @property
    def words(self) -> bool:
        """Whether words are to have times."""
        return "word" in (self.wanted.timestamp_granularities or ())


@dataclass(frozen=True)
class Said:
    """A text that is to be spoken.

    Attributes:
        text: The text.
        wanted: How.
        temperature: ``None``: the model's own.
        seed: Of the chance.
    """

    text: str
    wanted: Speaking
    temperature: float | None
    seed: int | None


def read_heard(request: GenerateRequest, most_s: float) -> Heard:
    """Read a request for a transcript.

    Args:
        request: The caller's.
        most_s: Longest sound that is taken, in seconds.

    Raises:
        InvalidRequestError: There is no sound, it is refused, or a name or value is wrong.
    """
    from byzer_lab.engines.audio import decode_text, from_samples

    text = _last_text(request)
    found = _object(text)
    given = {"audio": text} if found is None else dict(found)
    if found is None and not text.startswith("data:"):
        raise InvalidRequestError(f"The message is a text; {NO_FORM}.")
    audio, voice, rate = (given.pop(name, None) for name in ("audio", "voice", "rate"))
    if isinstance(audio, dict):  # OpenAI's part: {"data": ..., "format": ...}
        audio = audio.get("data")
    if (audio is None) == (voice is None):
        many = "two sounds" if audio is not None else "no sound"
        raise InvalidRequestError(f"There is {many} in the message; {NO_FORM}.")
    temperature, seed = _chance(given, request)
    wanted = Listening(**_values(LISTENING, given, request, "A model that listens"))
    form = wanted.response_format
    if form is None:
        form = "verbose_json" if found is not None and audio is not None else "text"
    if audio is None:
        recording = from_samples(voice, rate, most_s)
    elif isinstance(audio, str):
        recording = decode_text(audio, most_s)
    else:
        raise InvalidRequestError("audio must be a text with base64.")
    return Heard(recording, wanted, form, temperature or 0.0, seed)


def read_said(request: GenerateRequest, most: int) -> Said:
    """Read a request for a sound.

    Args:
        request: The caller's.
        most: Characters of the longest text that is spoken.

    Raises:
        InvalidRequestError: There is no text, it is too long, or a name or value is wrong.
    """
    text = _last_text(request)
    found = _object(text)
    given: dict[str, Any] = {"input": text} if found is None else dict(found)
    names = [name for name in TEXTS if name in given]
    value = given.pop(names[0]) if names else None
    if not isinstance(value, str) or not value.strip() or len(names) > 1:
        raise InvalidRequestError(
            "There is no text to speak; send a text, or a JSON object with 'input' and what else "
            f"is wanted ({', '.join(info.name for info in SPEAKING)})."
        )
    if len(value) > most:
        raise InvalidRequestError(
            f"The text has {len(value)} characters, more than the {most} that this deployment "
            "speaks at a time; send it in parts, or deploy with a larger max_characters."
        )
    temperature, seed = _chance(given, request)
    wanted = Speaking(**_values(SPEAKING, given, request, "A model that speaks"))
    return Said(value.strip(), wanted, temperature, seed)


def _last_text(request: GenerateRequest) -> str:
    check_generation(request.sampling)
    if any(message.images for message in request.messages or ()):
        raise InvalidRequestError("There is a picture in the message; this model can't see.")
    if request.tools or request.response_schema is not None:
        raise InvalidRequestError("This model calls no tools and answers with no object.")
    text = request.messages[-1].text if request.messages else request.prompt
    return text or ""


def _object(text: str) -> Mapping[str, Any] | None:
    """The JSON object that a message is, or the only one of a list; ``None`` of a text."""
    if not text.lstrip().startswith(("{", "[")):
        return None
    found: Any = None
    with contextlib.suppress(ValueError):
        found = json.loads(text)
    if isinstance(found, list) and len(found) == 1:
        (found,) = found
    return found if isinstance(found, dict) else None


def _chance(given: dict[str, Any], request: GenerateRequest) -> tuple[float | None, int | None]:
    """Temperature and seed, which the message may say as well."""
    said = {name: given.pop(name) for name in CHANCE if name in given}
    known = [info for info in GENERATION if info.name in CHANCE]
    values = read_values(known, said, "A model of speech")
    sampling = request.sampling
    return (
        values.get("temperature", sampling.temperature),
        values.get("seed", sampling.seed),
    )


def _values(
    known: Any, given: dict[str, Any], request: GenerateRequest, owner: str
) -> dict[str, Any]:
    """What the message says, and what ``llm_config`` says where the message says nothing."""
    names = {info.name for info in known}
    options = {
        name: value
        for name, value in request.sampling.options.items()
        if name in names and name not in given
    }
    beside = [name for name in request.sampling.options if name not in names]
    if beside:
        raise InvalidRequestError(f"{', '.join(beside)}: this model doesn't take that.")
    given.pop("model", None)
    return read_values(known, {**options, **given}, owner)
