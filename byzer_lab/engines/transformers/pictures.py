"""Pictures of a conversation, as a model of the transformers library that sees takes them."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import msgspec
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING
from transformers.utils import is_torchvision_available

from byzer_lab.content import expanded
from byzer_lab.engines.checks import tools_for_template
from byzer_lab.engines.images import decode_picture
from byzer_lab.engines.transformers.prompt import render
from byzer_lab.errors import InvalidRequestError, describe
from byzer_lab.types import GenerateRequest, Message

log = logging.getLogger(__name__)

MOST_PICTURES = 32
"""Of one request."""
VIDEOS = "video_processor"


def load_processor(config: Any, tokenizer: Any, folder: str, options: dict[str, Any]) -> Any:
    """What turns pictures into a model's numbers; ``None`` where the model doesn't see, or its
    files have no processor.

    Args:
        config: The library's configuration of the model.
        tokenizer: Its tokenizer; gets the processor's chat template where it has none.
        folder: A folder or a hub id.
        options: For the library's ``from_pretrained``.
    """
    if type(config) not in PROCESSOR_MAPPING:
        return None
    found = processor_class(PROCESSOR_MAPPING[type(config)])
    try:
        processor = found.from_pretrained(folder, **options)
    except OSError as error:
        log.warning("The model answers texts alone, without pictures: %s", describe(error))
        return None
    if getattr(processor, "image_processor", None) is None:
        return None
    processor.tokenizer = tokenizer
    if not tokenizer.chat_template:
        tokenizer.chat_template = processor.chat_template
    return processor


def processor_class(found: Any) -> Any:
    """A processor's class, without its part for videos where torchvision is not installed, which
    nothing else here needs."""
    if is_torchvision_available() or VIDEOS not in found.get_attributes():
        return found

    def get_attributes(cls: Any) -> list[str]:
        return [name for name in found.get_attributes() if name != VIDEOS]

    return type(found.__name__, (found,), {"get_attributes": classmethod(get_attributes)})


@dataclass(frozen=True)
class Seen:
    """A conversation with pictures, ready for a model.

    Attributes:
        prompt: Its tokens, those that stand for pictures included.
        inputs: The pictures' numbers, and what else the model takes beside the tokens.
    """

    prompt: list[int]
    inputs: dict[str, Any]


def with_pictures(request: GenerateRequest) -> tuple[GenerateRequest, list[Any]]:
    """A request whose pictures are parts of its messages, and these pictures, decoded.

    Args:
        request: A picture may also be written as JSON in a message's text, as Byzer-LLM does.

    Raises:
        InvalidRequestError: A picture is no picture, or there are too many.
    """
    messages = [expanded(message) for message in request.messages or ()]
    urls = [image.url for message in messages for image in message.images]
    if len(urls) > MOST_PICTURES:
        raise InvalidRequestError(
            f"The conversation has {len(urls)} pictures; {MOST_PICTURES} are allowed."
        )
    if not urls:
        return request, []
    several = len(urls) > 1
    pictures = [
        decode_picture(url, f"Picture {number}" if several else "The picture")
        for number, url in enumerate(urls, 1)
    ]
    return msgspec.structs.replace(request, messages=messages), pictures


def text_of(request: GenerateRequest, tokenizer: Any) -> str:
    """The prompt of a conversation with pictures, one mark for each of them."""
    messages: list[Message] = request.messages or []
    return render(messages, tokenizer, tools=tools_for_template(request), sees=True)


def see(request: GenerateRequest, pictures: list[Any], processor: Any) -> Seen:
    """Turn a conversation with pictures into a model's numbers.

    Args:
        request: From :func:`with_pictures`, as are the pictures.
        pictures: Of Pillow.
        processor: The model's.

    Raises:
        InvalidRequestError: The chat template or the processor refuses them.
    """
    text = text_of(request, processor.tokenizer)
    try:
        found = processor(
            text=[text], images=pictures, return_tensors="pt", add_special_tokens=False
        )
    except ValueError as error:
        raise InvalidRequestError(
            f"The model's processor refuses these pictures: {' '.join(str(error).split())}"
        ) from error
    prompt = found.pop("input_ids")[0].tolist()
    found.pop("attention_mask", None)
    return Seen(prompt, dict(found))
