"""Speech of Volcano Engine (Doubao) over HTTP: a text in, a whole sound back.

Written from https://www.volcengine.com/docs/6561/79820 and
https://www.volcengine.com/docs/6561/79823.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from byzer_lab.engines.base import EngineConfig
from byzer_lab.errors import ProviderError
from byzer_lab.providers.again import until_begun, worth_another_try
from byzer_lab.providers.base import Provider
from byzer_lab.providers.content import read_question
from byzer_lab.providers.settings import Settings
from byzer_lab.providers.speech import MEDIA_TYPES, in_pieces, take_size, whole
from byzer_lab.schema import parameter
from byzer_lab.types import Chunk, GenerateRequest, ProviderFacts

DONE = 3000
NAMES: dict[str, type] = {
    "voice": str,
    "response_format": str,
    "speed": float,
    "volume": float,
    "pitch": float,
    "language": str,
    "emotion": str,
    "sample_rate": int,
    "text_type": str,
    "chunk_size": int,
}
AUDIO = {
    "voice": "voice_type",
    "response_format": "encoding",
    "speed": "speed_ratio",
    "volume": "volume_ratio",
    "pitch": "pitch_ratio",
    "language": "language",
    "emotion": "emotion",
    "sample_rate": "rate",
}
"""Volcano's names for what a question says of the sound."""
VOICE = "BV705_streaming"


@dataclass(frozen=True)
class VolcengineSettings(Settings):
    """What a deployment says."""

    app_id: str | None = parameter(None, "The application of the console.", aliases=("appid",))
    model: str | None = parameter(None, "The cluster: volcano_tts, or volcano_icl for own voices.")


class Volcengine(Provider):
    """A voice of Volcano Engine."""

    settings_class = VolcengineSettings
    settings: VolcengineSettings

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.need("app_id", "VOLCENGINE_TTS_APP_ID")

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Speak the last message; see :meth:`byzer_lab.engines.base.Generates.generate`."""
        question = read_question(self.conversation(request), NAMES)
        size = take_size(question)
        form = str(question.setdefault("response_format", "mp3"))
        media_type = MEDIA_TYPES.get(form, "application/octet-stream")

        async def speak(attempt: int) -> AsyncGenerator[Chunk]:
            data, facts = await self._sound(question, request)
            facts.attempts += attempt - 1
            async for piece in in_pieces(whole(data), size):
                yield Chunk(data=piece, media_type=media_type)
            yield Chunk(finish_reason="stop", usage=self.usage(facts, 0, 0))

        async with aclosing(until_begun(speak, self.settings.max_retries)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _sound(
        self, question: dict[str, Any], request: GenerateRequest
    ) -> tuple[bytes, ProviderFacts]:
        """One try.

        Raises:
            Again: The provider has not begun.
            ProviderError: It refuses, or sent no sound.
        """
        from byzer_lab.providers.http import Call

        call = Call(
            f"{self.base_url}/api/v1/tts",
            json=self._body(question, request),
            headers=self.key_headers(),
        )
        found, facts = await self.http.json(call)
        facts.request_id = str(found.get("reqid") or facts.request_id)
        if found.get("code") != DONE:
            raise worth_another_try(self.refusal(found, facts))
        try:
            data = base64.b64decode(found.get("data") or "", validate=True)
        except (TypeError, ValueError) as error:
            raise ProviderError(
                f"{self.type} sent a sound that is not base64: {error}.", provider=self.type
            ) from error
        if not data:
            raise ProviderError(f"{self.type} sent no sound.", provider=self.type)
        return data, facts

    def _body(self, question: dict[str, Any], request: GenerateRequest) -> dict[str, Any]:
        audio = {name: question[ours] for ours, name in AUDIO.items() if ours in question}
        return {
            "app": {
                "appid": self.need("app_id", "VOLCENGINE_TTS_APP_ID"),
                "token": self.need("api_key", self.preset.key),
                "cluster": request.sampling.options.get("model") or self.model,
            },
            "user": {"uid": "byzer-lab"},
            "audio": {"voice_type": VOICE, **audio},
            "request": {
                "reqid": uuid.uuid4().hex,
                "text": question["input"],
                "text_type": question.get("text_type", "plain"),
                "operation": "query",
                **self.options(request.sampling),
            },
        }
