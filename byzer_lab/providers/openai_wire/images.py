"""``POST images/generations``: a text as pictures.

https://platform.openai.com/docs/api-reference/images/create
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any

from byzer_lab.content import media_type_of, read_question
from byzer_lab.errors import ProviderError
from byzer_lab.types import Chunk, GenerateRequest

if TYPE_CHECKING:
    from byzer_lab.providers.openai_wire.engine import OpenAIWire

NAMES: dict[str, type] = {
    "size": str,
    "quality": str,
    "style": str,
    "n": int,
    "background": str,
    "output_format": str,
    "response_format": str,
}
AS_TEXT = ("dall-e",)
"""Beginnings of the names of models that send an address unless they are asked for the picture."""


async def draw(engine: OpenAIWire, request: GenerateRequest) -> AsyncGenerator[Chunk]:
    """Draw the last message: a text, or ``{"input", "size", "quality", ...}``. A chunk for each
    picture."""
    from byzer_lab.providers.http import Call

    question = read_question(engine.conversation(request), NAMES)
    model = request.sampling.options.get("model") or engine.model
    body: dict[str, Any] = {"model": model, "prompt": question.pop("input")}
    if model.startswith(AS_TEXT):
        body["response_format"] = "b64_json"
    body |= {**engine.options(request.sampling), **question}
    call = Call(
        engine.url("images/generations"),
        json=body,
        headers=await engine.headers(),
        params=engine.params(),
    )
    found, facts = await engine.http.json(call)
    pictures = found.get("data") or found.get("images")
    if found.get("error") or not isinstance(pictures, list) or not pictures:
        raise engine.refusal(found, facts)
    for picture in pictures:
        data = await _data(engine, picture)
        yield Chunk(data=data, media_type=media_type_of(data))
    usage = found.get("usage") or {}
    yield Chunk(
        finish_reason="stop",
        usage=engine.usage(
            facts, usage.get("input_tokens") or 0, usage.get("output_tokens") or 0, model=model
        ),
    )


async def _data(engine: OpenAIWire, picture: dict[str, Any]) -> bytes:
    """The picture itself; where it only has an address it is fetched, without the key."""
    from byzer_lab.providers.http import Call

    if text := picture.get("b64_json"):
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise ProviderError(
                f"{engine.type} sent a picture that is not base64: {error}.", provider=engine.type
            ) from error
    url = picture.get("url")
    if not isinstance(url, str):
        raise ProviderError(f"{engine.type} sent no picture.", provider=engine.type)
    async with engine.http.stream(Call(url, method="GET")) as answer:
        return await answer.read()
