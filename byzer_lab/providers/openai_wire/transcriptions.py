"""``POST audio/transcriptions`` and ``audio/translations``: a sound as text.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import read_values
from byzer_lab.speech import LISTENING
from byzer_lab.types import Chunk, GenerateRequest

if TYPE_CHECKING:
    from byzer_lab.providers.openai_wire.engine import OpenAIWire

WHOLE = "verbose_json"
TELLS_TIMES = ("whisper",)
"""Beginnings of the names of models that tell more than a text."""
ENDINGS = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav", "x-flac": "flac", "mp4": "m4a"}
"""Of files, where a media type has another word than its ending."""


async def transcribe(engine: OpenAIWire, request: GenerateRequest) -> AsyncGenerator[Chunk]:
    """Write down the sound of the last message, ``{"audio": BASE64, "language", ...}``."""
    import httpx

    from byzer_lab.providers.http import Call

    messages = engine.conversation(request)
    name, sound, given = _read(messages[-1].text if messages else "")
    model = request.sampling.options.get("model") or engine.model
    times = given.pop("timestamp_granularities", None)
    translates = given.pop("task", None) == "translate"
    tells = model.startswith(TELLS_TIMES)
    if times and not tells:
        raise InvalidRequestError(f"{model} tells no times; ask whisper-1, or leave them out.")
    fields: dict[str, Any] = {
        "model": model,
        "response_format": WHOLE if tells else "json",
        **engine.options(request.sampling),
        **given,
    }
    if request.sampling.temperature is not None:
        fields["temperature"] = str(request.sampling.temperature)
    if times and not translates:
        fields["timestamp_granularities[]"] = times
    url = engine.url("audio/translations" if translates else "audio/transcriptions")
    form = httpx.Request("POST", url, data=fields, files={"file": (name, sound)})
    headers = {**await engine.headers(), "content-type": form.headers["content-type"]}
    call = Call(url, content=form.read(), headers=headers, params=engine.params())
    async with engine.http.stream(call) as answer:
        text = (await answer.read()).decode()
        if answer.media_type == "application/json":
            found = answer.decode(text)
            if not isinstance(found.get("text"), str):
                raise engine.refusal(found, answer.facts)
        yield Chunk(text=text)
        yield Chunk(finish_reason="stop", usage=engine.usage(answer.facts, 0, 0, model=model))


def _read(text: str) -> tuple[str, bytes, dict[str, Any]]:
    """Name and bytes of the sound, and what else is asked."""
    question: Any = None
    with contextlib.suppress(ValueError):
        question = json.loads(text)
    audio = question.pop("audio", None) if isinstance(question, dict) else None
    if not isinstance(audio, str):
        raise InvalidRequestError(
            'There is no sound; send {"audio": BASE64} as JSON, also as a data: URI.'
        )
    kind = str(question.pop("type", "wav"))
    head, comma, data = audio.partition(",")
    if comma and head.startswith("data:"):
        kind = head.removeprefix("data:").partition(";")[0].partition("/")[2] or kind
    else:
        data = audio
    try:
        sound = base64.b64decode(data, validate=True)
    except ValueError:
        raise InvalidRequestError(
            "The audio is neither base64 nor a data: URI with base64; paths and addresses are not "
            "opened."
        ) from None
    given = read_values(LISTENING, question, "A model that listens")
    return f"audio.{ENDINGS.get(kind, kind)}", sound, given
