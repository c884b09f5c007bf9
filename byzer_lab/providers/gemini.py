"""Gemini, on Google's Generative Language API: streamGenerateContent.

Written from https://ai.google.dev/api/generate-content and
https://ai.google.dev/gemini-api/docs/troubleshooting.
"""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from byzer_lab.errors import ContentFilterError, InvalidRequestError
from byzer_lab.providers.base import Provider
from byzer_lab.providers.content import picture_data
from byzer_lab.providers.ending import Ending, shapes
from byzer_lab.providers.events import events
from byzer_lab.providers.failures import failure, read_refusal
from byzer_lab.types import Chunk, FinishReason, GenerateRequest, ImagePart, Message, Part

if TYPE_CHECKING:
    from byzer_lab.providers.http import Answer

ROLES = {"user": "user", "assistant": "model"}
FINISHES: dict[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
}


class Gemini(Provider):
    """A model of Google."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """See :meth:`byzer_lab.engines.base.Generates.generate`."""
        from byzer_lab.providers.http import Call

        model = request.sampling.options.get("model") or self.model
        call = Call(
            f"{self._place(model)}:streamGenerateContent",
            json=self._body(request),
            headers=self.key_headers(),
            params={"alt": "sse"},
        )
        async with self.http.stream(call) as answer:
            with shapes(self.type, answer.facts):
                async with aclosing(self._chunks(answer, model)) as chunks:
                    async for chunk in chunks:
                        yield chunk

    def _place(self, model: str) -> str:
        return f"{self.base_url}/models/{model.removeprefix('models/')}"

    def _body(self, request: GenerateRequest) -> dict[str, Any]:
        self.refuse_logprobs(request.sampling)
        messages = self.conversation(request)
        system = [message.text for message in messages if message.role == "system"]
        body: dict[str, Any] = {
            "contents": [self._turn(message) for message in messages if message.role != "system"]
        }
        if system:
            body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
        config = self.sampling(request.sampling)
        options = self.options(request.sampling)
        if config or "generationConfig" in options:
            body["generationConfig"] = {**config, **options.pop("generationConfig", {})}
        return {**body, **options}

    def _turn(self, message: Message) -> dict[str, Any]:
        role = ROLES.get(message.role)
        if role is None:
            raise InvalidRequestError(
                f"{self.type} takes turns of system, user and assistant; results of tools go into "
                "a turn of the user."
            )
        content = message.content
        parts = [{"text": content}] if isinstance(content, str) else [_part(p) for p in content]
        return {"role": role, "parts": parts}

    async def _chunks(self, answer: Answer, model: str) -> AsyncGenerator[Chunk]:
        ending = Ending(self.type, answer.facts)
        usage: Mapping[str, Any] = {}
        async for event in events(answer.blocks()):
            news = answer.decode(event.data)
            if "error" in news:
                kind, said = read_refusal(news)
                status = news["error"].get("code", 0) if isinstance(news["error"], dict) else 0
                raise failure(self.type, status, said, kind=kind)
            answer.facts.model = news.get("modelVersion") or answer.facts.model
            answer.facts.request_id = news.get("responseId") or answer.facts.request_id
            usage = news.get("usageMetadata") or usage
            blocked = (news.get("promptFeedback") or {}).get("blockReason")
            if blocked:
                raise ContentFilterError(
                    f"{self.type} refuses the question for its content: {blocked}.",
                    provider=self.type,
                    kind=blocked,
                )
            for candidate in (news.get("candidates") or [])[:1]:
                for part in (candidate.get("content") or {}).get("parts") or []:
                    if not part.get("text"):
                        continue
                    if part.get("thought"):
                        yield Chunk(reasoning=part["text"], tokens=1)
                    else:
                        yield ending.wrote(Chunk(text=part["text"], tokens=1))
                ending.reason = candidate.get("finishReason") or ending.reason
        finish = ending.finish(FINISHES)
        thoughts = usage.get("thoughtsTokenCount") or 0
        told = self.usage(
            answer.facts,
            (usage.get("promptTokenCount") or 0) + (usage.get("toolUsePromptTokenCount") or 0),
            (usage.get("candidatesTokenCount") or 0) + thoughts,
            model=model,
            cached_tokens=usage.get("cachedContentTokenCount") or 0,
            reasoning_tokens=thoughts,
        )
        yield Chunk(finish_reason=finish, usage=told)


def _part(part: Part) -> dict[str, Any]:
    if not isinstance(part, ImagePart):
        return {"text": part.text}
    url = part.image_url.url
    data = picture_data(url)
    if data is not None:
        return {"inlineData": {"mimeType": data[0], "data": data[1]}}
    kind = mimetypes.guess_type(urlsplit(url).path)[0] or "image/jpeg"
    return {"fileData": {"mimeType": kind, "fileUri": url}}
