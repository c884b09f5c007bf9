"""Messages with pictures, and questions that are JSON, in the forms that Byzer-LLM has."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import ImagePart, ImageUrl, Message, Part, TextPart

PART_KEYS = {"type", "text", "image", "image_url", "detail"}
KINDS = {str: "a text", int: "a whole number", float: "a number"}
MAGIC = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
    b"BM": "image/bmp",
}


def expanded(message: Message) -> Message:
    """A message whose text is a JSON list with pictures, as a message with parts.

    The list is ``[{"image": ..., "text": ...}]``, also one object for each part, or OpenAI's parts.
    Any other text stays what it is: JSON without a picture is a text, and so is what a tool gave.
    """
    if message.role == "tool":
        return message
    if not isinstance(message.content, str):
        parts = [_tidy(part) for part in message.content]
        return msgspec.structs.replace(message, content=parts)
    found = _listed(message.content)
    if found is None:
        return message
    parts = [part for item in found for part in _parts(item)]
    return msgspec.structs.replace(message, content=parts)


def _listed(text: str) -> list[dict[str, Any]] | None:
    if not text.lstrip().startswith("["):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    if not isinstance(found, list) or not all(
        isinstance(item, dict) and item.keys() <= PART_KEYS for item in found
    ):
        return None
    return found if any("image" in item or "image_url" in item for item in found) else None


def _parts(item: Mapping[str, Any]) -> list[Part]:
    parts: list[Part] = []
    picture = item.get("image") or item.get("image_url")
    if picture:
        fields = {"url": picture} if isinstance(picture, str) else dict(picture)
        if "detail" in item:
            fields.setdefault("detail", item["detail"])
        try:
            parts.append(_tidy(ImagePart(msgspec.convert(fields, ImageUrl))))
        except msgspec.ValidationError as error:
            raise InvalidRequestError(f"An image of the message was refused: {error}") from error
    if item.get("text"):
        parts.append(TextPart(str(item["text"])))
    return parts


def _tidy(part: Part) -> Part:
    """The same, with a picture's data as a proper URI."""
    if not isinstance(part, ImagePart):
        return part
    fixed = picture_uri(part.image_url.url)
    return ImagePart(ImageUrl(url=fixed, detail=part.image_url.detail))


def picture_uri(given: str) -> str:
    """An address as it is; base64 alone, or behind ``data:image/jpg,``, as a proper ``data:`` URI.

    Raises:
        InvalidRequestError: It is neither.
    """
    if given.startswith(("http://", "https://")):
        return given
    head, comma, data = given.partition(",")
    if not (head.startswith("data:") and comma):
        head, data = "", given
    try:
        start = base64.b64decode(data[:64], validate=True)
    except ValueError:
        raise InvalidRequestError(
            "An image is neither an address (http://, https://), nor base64, nor a data: URI with "
            "base64."
        ) from None
    named = head.removeprefix("data:").removesuffix(";base64").replace("image/jpg", "image/jpeg")
    found = next((kind for magic, kind in MAGIC.items() if start.startswith(magic)), "image/jpeg")
    return f"data:{named or found};base64,{data}"


def picture_data(url: str) -> tuple[str, str] | None:
    """Media type and base64 of a ``data:`` URI; ``None`` of an address."""
    if not url.startswith("data:"):
        return None
    head, _, data = url.partition(",")
    return head.removeprefix("data:").removesuffix(";base64"), data


def read_question(messages: list[Message], known: Mapping[str, type]) -> dict[str, Any]:
    """What a model of speech or pictures is asked: the last message's text, or a JSON object in it.

    Args:
        messages: The conversation.
        known: Names beside ``input`` that the object may have, and their kinds.

    Returns:
        ``input`` and what else was given.

    Raises:
        InvalidRequestError: There is no input, or a name that is unknown or of another kind.
    """
    text = messages[-1].text if messages else ""
    question: dict[str, Any] = {"input": text}
    if text.lstrip().startswith("{"):
        with contextlib.suppress(ValueError):  # a text that begins with a brace
            question = json.loads(text)
    names = ", ".join(("input", *known))
    if not isinstance(question.get("input"), str) or not question["input"].strip():
        raise InvalidRequestError(
            f"There is no input; send a text, or a JSON object with 'input' ({names})."
        )
    for name, value in question.items():
        kind = str if name == "input" else known.get(name)
        if kind is None:
            raise InvalidRequestError(f"The question has an unknown name {name!r}; known: {names}.")
        if isinstance(value, bool) or not isinstance(value, (int, kind) if kind is float else kind):
            raise InvalidRequestError(f"{name} is {value!r}; it must be {KINDS[kind]}.")
    return question


def media_type_of(data: bytes) -> str:
    """What kind of picture bytes are; ``image/png`` where it can't be told."""
    return next((kind for magic, kind in MAGIC.items() if data.startswith(magic)), "image/png")
