"""What only providers have is refused by local models, in words."""

from __future__ import annotations

import msgspec
import pytest

from byzer_lab.client.conversations import read_messages
from byzer_lab.client.templates import Templates, render
from byzer_lab.engines.checks import check_sampling, text_turns
from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import read_sampling
from byzer_lab.types import ImagePart, ImageUrl, Message, TextPart

PICTURE = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
TEXTS = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]


def test_parts_travel_as_they_are_written() -> None:
    (message,) = read_messages([{"role": "user", "content": [*TEXTS, PICTURE]}])
    assert message.content == [
        TextPart("one"), TextPart("two"), ImagePart(ImageUrl("https://x/y.png")),
    ]  # fmt: skip
    assert message.text == "one\ntwo"
    assert msgspec.json.decode(msgspec.json.encode(message), type=Message) == message
    with pytest.raises(InvalidRequestError, match="conversation was refused"):
        read_messages([{"role": "user", "content": [{"type": "audio", "audio": "x"}]}])


def test_local_models_join_texts_and_refuse_pictures() -> None:
    texts = read_messages([{"role": "user", "content": TEXTS}])
    assert text_turns(texts) == [{"role": "user", "content": "one\ntwo"}]
    pictures = read_messages([{"role": "user", "content": [PICTURE]}])
    with pytest.raises(InvalidRequestError, match="can't see pictures"):
        text_turns(pictures)
    mapping = Templates.qwen().role_mapping
    assert "one\ntwo" in render(texts, mapping)
    with pytest.raises(InvalidRequestError, match="no place for pictures"):
        render(pictures, mapping)


def test_options_of_providers() -> None:
    sampling = read_sampling(
        {
            "gen.enable_search": True,
            "stream": True,
            "gen.incremental_output": False,
            "max_length": 5,
            "extra_body": {"a": 1},
            "extra_request_params": {"b": 2},
        }
    )
    assert sampling.max_tokens == 5
    assert sampling.options == {"enable_search": True, "extra": {"a": 1, "b": 2}}
    with pytest.raises(InvalidRequestError, match="enable_search, extra: only models of providers"):
        check_sampling(sampling, 100)
    with pytest.raises(InvalidRequestError, match="extra_body is 5; it must be a mapping"):
        read_sampling({"extra_body": 5})
    with pytest.raises(InvalidRequestError, match="did you mean"):
        read_sampling({"temprature": 1})
