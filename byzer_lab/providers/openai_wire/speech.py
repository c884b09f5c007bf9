"""``POST audio/speech``: a text as sound, in pieces as they come.

https://platform.openai.com/docs/api-reference/audio/createSpeech
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from byzer_lab.content import read_question
from byzer_lab.errors import ProviderError
from byzer_lab.providers.speech import MEDIA_TYPES, in_pieces, take_size
from byzer_lab.types import Chunk, GenerateRequest

if TYPE_CHECKING:
    from byzer_lab.providers.openai_wire.engine import OpenAIWire

NAMES: dict[str, type] = {
    "voice": str,
    "response_format": str,
    "speed": float,
    "instructions": str,
    "chunk_size": int,
}
VOICE = "alloy"


async def speak(engine: OpenAIWire, request: GenerateRequest) -> AsyncGenerator[Chunk]:
    """Speak the last message: a text, or ``{"input", "voice", "response_format", ...}``."""
    from byzer_lab.providers.http import Call

    question = read_question(engine.conversation(request), NAMES)
    size = take_size(question)
    options = engine.options(request.sampling)
    sound = question.get("response_format", "mp3")
    body: dict[str, Any] = {
        "model": request.sampling.options.get("model") or engine.model,
        "voice": VOICE,
        "response_format": sound,
        **options,
        **question,
    }
    call = Call(
        engine.url("audio/speech"),
        json=body,
        headers=await engine.headers(),
        params=engine.params(),
    )
    async with engine.http.stream(call) as answer:
        kind = answer.media_type
        if kind == "application/json":
            raise engine.refusal(await answer.json(), answer.facts)
        media_type = kind if kind.startswith("audio/") else MEDIA_TYPES.get(sound, "audio/mpeg")
        empty = True
        async for block in in_pieces(answer.blocks(), size):
            empty = False
            yield Chunk(data=block, media_type=media_type)
        if empty:
            raise ProviderError(f"{engine.type} sent no sound.", provider=engine.type)
        yield Chunk(finish_reason="stop", usage=engine.usage(answer.facts, 0, 0))
