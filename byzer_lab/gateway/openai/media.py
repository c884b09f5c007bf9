"""``POST /v1/images/generations`` and ``/v1/audio/speech``: what a deployment draws or speaks, be
it a provider's or a local model.

https://platform.openai.com/docs/api-reference/images/create
"""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.responses import Response

from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.gateway.asking import chunks_of
from byzer_lab.gateway.handling import Handler, Stream
from byzer_lab.gateway.openai import shapes
from byzer_lab.gateway.openai.reading import refused
from byzer_lab.gateway.service import Exchange
from byzer_lab.types import Chunk, GenerateRequest, Message
from byzer_lab.web import json_response

SOUND = "mp3"
"""What OpenAI's clients get where they name no format."""


def _request(exchange: Exchange, text: str, given: dict[str, Any]) -> GenerateRequest:
    """Such a deployment is asked with one message: a JSON object with ``input``."""
    wanted = {name: value for name, value in given.items() if value is not None}
    question = json.dumps({"input": text, **wanted}, ensure_ascii=False)
    return GenerateRequest(request_id=exchange.id, messages=[Message("user", question)])


class Images(Handler[shapes.ImageBody]):
    """A text as pictures, in base64."""

    path = "/v1/images/generations"
    summary = "Draw pictures."
    body = shapes.ImageBody
    example = {"model": "NAME", "prompt": "a lighthouse at night"}

    async def answer(self, body: shapes.ImageBody, exchange: Exchange) -> Response:
        name, adapter = self.service.find(body.model, exchange)
        refuse_adapter(adapter)
        if body.response_format == "url":
            raise refused("response_format", "pictures are not kept here; ask for b64_json.")
        names = ("n", "size", "quality", "style", "background", "output_format")
        request = _request(exchange, body.prompt, {one: getattr(body, one) for one in names})
        pictures: list[str] = []
        chunks = chunks_of(self.service, name, [request], exchange)
        async with contextlib.aclosing(chunks):
            async for _, chunk in chunks:
                _check_kind(chunk, "image/", name)
                if chunk.data:
                    pictures.append(base64.b64encode(chunk.data).decode())
        if not pictures:
            raise _no_media(name, "draws")
        usage = {
            "input_tokens": exchange.usage.input_tokens,
            "output_tokens": exchange.usage.output_tokens,
            "total_tokens": exchange.usage.input_tokens + exchange.usage.output_tokens,
        }
        data = [{"b64_json": picture} for picture in pictures]
        return json_response({"created": exchange.created, "data": data, "usage": usage})


class Speech(Handler[shapes.SpeechBody]):
    """A text as sound, in pieces as they come."""

    path = "/v1/audio/speech"
    summary = "Speak a text."
    body = shapes.SpeechBody
    example = {"model": "NAME", "input": "Good morning", "voice": "alloy"}

    async def answer(self, body: shapes.SpeechBody, exchange: Exchange) -> Stream:
        name, adapter = self.service.find(body.model, exchange)
        refuse_adapter(adapter)
        voice = body.voice.get("id") if isinstance(body.voice, dict) else body.voice
        given = {
            "voice": voice,
            "instructions": body.instructions,
            "response_format": body.response_format or SOUND,
            "speed": body.speed,
        }
        request = _request(exchange, body.input, given)
        chunks = chunks_of(self.service, name, [request], exchange)
        first = None
        try:
            async for _, chunk in chunks:
                _check_kind(chunk, "audio/", name)
                if chunk.data:
                    first = chunk
                    break
            if first is None:
                raise _no_media(name, "speaks")
        except BaseException:
            await chunks.aclose()
            raise
        return Stream(_sound(first, chunks), first.media_type)


async def _sound(first: Chunk, chunks: AsyncGenerator[tuple[int, Chunk]]) -> AsyncGenerator[bytes]:
    async with contextlib.aclosing(chunks):
        yield first.data
        async for _, chunk in chunks:
            if chunk.data:
                yield chunk.data


def _check_kind(chunk: Chunk, kind: str, name: str) -> None:
    if chunk.text or (chunk.data and not chunk.media_type.startswith(kind)):
        raise _no_media(name, "draws" if kind == "image/" else "speaks")


def _no_media(name: str, verb: str) -> ByzerLabError:
    return InvalidRequestError(f"{name!r} is no model that {verb}.", param="model")


def refuse_adapter(adapter: str | None) -> None:
    """Refuse a name of an adapter: only models that write text have some."""
    if adapter:
        raise refused("model", f"a model of pictures or sounds has no adapter {adapter!r}.")
