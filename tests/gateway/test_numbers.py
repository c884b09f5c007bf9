"""Numbers in bodies: whole ones may be written as 1.0."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.gateway.anthropic.shapes import MessagesBody
from byzer_lab.gateway.handling import _read
from byzer_lab.gateway.openai.shapes import ChatBody, CompletionBody

HELLO = [{"role": "user", "content": "q"}]


def chat(number: str) -> bytes:
    return b'{"model": "m", "messages": %s, "max_tokens": %s}' % (
        json.dumps(HELLO).encode(),
        number.encode(),
    )


@pytest.mark.parametrize(("number", "value"), [("5", 5), ("5.0", 5), ("5e0", 5), ("1.2e1", 12)])
def test_whole_numbers(number: str, value: int) -> None:
    for kind in (ChatBody, MessagesBody):
        body: Any = _read(chat(number), kind)
        assert body.max_tokens == value
        assert isinstance(body.max_tokens, int)


def test_every_place_of_a_body() -> None:
    text = (
        '{"model": "m", "prompt": "größe 1.0", "n": 2.0, "seed": 3.0, "temperature": 1.0, '
        '"logprobs": 4.0, "top_p": 0.5}'
    )
    body: Any = _read(text.encode(), CompletionBody)
    assert (body.n, body.seed, body.temperature, body.logprobs, body.top_p) == (2, 3, 1, 4, 0.5)
    assert body.prompt == "größe 1.0"


@pytest.mark.parametrize("number", ["5.5", "1e999", "[5.0]", "1e400", "5.0.0"])
def test_what_is_no_whole_number(number: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        _read(chat(number), ChatBody)
    if number == "5.5":
        assert caught.value.details["param"] == "max_tokens"
