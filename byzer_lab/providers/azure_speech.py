"""Azure speech over HTTP: SSML in, sound back in pieces as it is made.

Written from
https://learn.microsoft.com/en-us/azure/ai-services/speech-service/rest-text-to-speech and
https://learn.microsoft.com/en-us/azure/ai-services/speech-service/speech-synthesis-markup-structure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from byzer_lab.content import read_question
from byzer_lab.errors import InvalidRequestError, ProviderError
from byzer_lab.providers.base import Provider
from byzer_lab.providers.settings import Settings
from byzer_lab.providers.speech import MEDIA_TYPES, in_pieces, take_size
from byzer_lab.schema import parameter
from byzer_lab.types import Chunk, GenerateRequest

PATH = "/cognitiveservices/v1"
NAMES: dict[str, type] = {
    "voice": str,
    "response_format": str,
    "language": str,
    "speed": float,
    "chunk_size": int,
}
VOICE = "zh-CN-XiaoxiaoNeural"
FORMATS = {
    "mp3": "audio-48khz-192kbitrate-mono-mp3",
    "wav": "riff-24khz-16bit-mono-pcm",
    "pcm": "raw-24khz-16bit-mono-pcm",
    "opus": "ogg-24khz-16bit-mono-opus",
}
"""Azure's name for each format; its own names are taken as they are."""


@dataclass(frozen=True)
class AzureSpeechSettings(Settings):
    """What a deployment says."""

    service_region: str = parameter("eastus", "Region of the resource.", aliases=("region",))
    base_url: str | None = parameter(
        None, "Address of the resource, instead of its region's.", aliases=("endpoint",)
    )


class AzureSpeech(Provider):
    """The voices of an Azure resource."""

    settings_class = AzureSpeechSettings
    settings: AzureSpeechSettings

    @property
    def base_url(self) -> str:
        """Where the region listens."""
        if self.settings.base_url:
            return super().base_url.removesuffix(PATH)
        region = self.settings.service_region
        domain = "azure.cn" if region.startswith("china") else "microsoft.com"
        return f"https://{region}.tts.speech.{domain}"

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Speak the last message; see :meth:`byzer_lab.engines.base.Generates.generate`."""
        from byzer_lab.providers.http import Call

        question = read_question(self.conversation(request), NAMES)
        size = take_size(question)
        form = question.get("response_format", "mp3")
        if form not in FORMATS and "-" not in form:
            raise InvalidRequestError(
                f"response_format is {form!r}; {self.type} takes {', '.join(FORMATS)}, or Azure's "
                "own names, such as audio-24khz-96kbitrate-mono-mp3."
            )
        if options := self.options(request.sampling):
            raise InvalidRequestError(f"{self.type} takes no {', '.join(options)}.")
        call = Call(
            f"{self.base_url}{PATH}",
            content=ssml(question).encode(),
            headers={
                **self.key_headers(),
                "Content-Type": "application/ssml+xml",
                "X-Microsoft-OutputFormat": FORMATS.get(form, form),
            },
        )
        async with self.http.stream(call) as answer:
            kind = answer.media_type
            media_type = kind if kind.startswith("audio/") else MEDIA_TYPES.get(form, kind)
            empty = True
            async for piece in in_pieces(answer.blocks(), size):
                empty = False
                yield Chunk(data=piece, media_type=media_type)
            if empty:
                raise ProviderError(
                    f"{self.type} sent no sound: does it have the voice "
                    f"{question.get('voice', VOICE)!r}?",
                    provider=self.type,
                    request_id=answer.facts.request_id,
                )
            yield Chunk(finish_reason="stop", usage=self.usage(answer.facts, 0, 0))


def ssml(question: dict[str, Any]) -> str:
    """The document that says what is spoken, and how."""
    voice = question.get("voice", VOICE)
    language = question.get("language") or "-".join(voice.split("-")[:2])
    text = escape(question["input"])
    if "speed" in question:
        text = f'<prosody rate="{question["speed"]:g}">{text}</prosody>'
    return (
        '<speak version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" '
        f"xml:lang={quoteattr(language)}><voice name={quoteattr(voice)}>{text}</voice></speak>"
    )
