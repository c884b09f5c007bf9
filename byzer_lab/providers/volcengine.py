"""Speech of Volcano Engine (Doubao) over HTTP: a text in, a whole sound back.

Used where the deployment's address is one of HTTP; else the sound comes over a WebSocket, see
``volcengine_stream.py``.

Written from https://www.volcengine.com/docs/6561/79820 and
https://www.volcengine.com/docs/6561/79823.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NamedTuple

from byzer_lab.content import read_question
from byzer_lab.engines.base import EngineConfig
from byzer_lab.errors import ProviderError
from byzer_lab.providers.again import until_begun, worth_another_try
from byzer_lab.providers.base import Provider
from byzer_lab.providers.settings import PREFIX, Settings
from byzer_lab.providers.speech import MEDIA_TYPES, in_pieces, take_size, whole
from byzer_lab.providers.table import load_class
from byzer_lab.schema import parameter
from byzer_lab.types import Chunk, GenerateRequest, ProviderFacts

STREAMED = "byzer_lab.providers.volcengine_stream:VolcengineStream"
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


class Spoken(NamedTuple):
    """What is to be spoken.

    Attributes:
        question: Text and what was said of the sound.
        request: The caller's.
        size: Bytes of each piece; ``None``: as they come.
        media_type: Of the sound.
    """

    question: dict[str, Any]
    request: GenerateRequest
    size: int | None
    media_type: str


class Volcengine(Provider):
    """A voice of Volcano Engine."""

    settings_class = VolcengineSettings
    settings: VolcengineSettings

    def __init__(self, config: EngineConfig) -> None:
        super().__init__(config)
        self.need("app_id", "VOLCENGINE_TTS_APP_ID")

    @classmethod
    def choose(cls, name: str, infer_params: Mapping[str, Any]) -> type[Provider]:
        """See :meth:`byzer_lab.providers.base.Provider.choose`."""
        given = {key.removeprefix(PREFIX): str(value) for key, value in infer_params.items()}
        return cls if given.get("base_url", "").startswith("http") else load_class(STREAMED)

    def _spoken(self, request: GenerateRequest) -> Spoken:
        question = read_question(self.conversation(request), NAMES)
        size = take_size(question)
        form = str(question.setdefault("response_format", "mp3"))
        media_type = MEDIA_TYPES.get(form, "application/octet-stream")
        return Spoken(question, request, size, media_type)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Speak the last message; see :meth:`byzer_lab.engines.base.Generates.generate`."""
        spoken = self._spoken(request)

        async def speak(attempt: int) -> AsyncGenerator[Chunk]:
            data, facts = await self._sound(spoken.question, request)
            facts.attempts += attempt - 1
            async for piece in in_pieces(whole(data), spoken.size):
                yield Chunk(data=piece, media_type=spoken.media_type)
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

    def _body(
        self, question: dict[str, Any], request: GenerateRequest, operation: str = "query"
    ) -> dict[str, Any]:
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
                "operation": operation,
                **self.options(request.sampling),
            },
        }
