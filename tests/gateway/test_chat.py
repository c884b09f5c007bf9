"""``/v1/chat/completions`` asked with OpenAI's own client."""

from __future__ import annotations

from typing import Any

import openai as sdk
import pytest

HELLO = [{"role": "user", "content": "hello"}]


def test_a_whole_answer(openai: Any, counting: str) -> None:
    found = openai.chat.completions.create(model=counting, messages=HELLO, max_tokens=3)
    assert found.object == "chat.completion"
    assert found.model == counting
    [choice] = found.choices
    assert (choice.message.role, choice.message.content) == ("assistant", "1 2 3 ")
    assert choice.finish_reason == "stop"
    assert choice.logprobs is None
    assert found.usage
    assert found.usage.total_tokens == 4


def test_a_stream(openai: Any, counting: str) -> None:
    stream = openai.chat.completions.create(
        model=counting,
        messages=HELLO,
        max_completion_tokens=3,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "1 2 3 "
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage
    assert last.usage.completion_tokens == 3
    assert len({chunk.id for chunk in [*chunks, last]}) == 1


def test_nothing_cuts_a_long_answer(openai: Any, counting: str) -> None:
    found = openai.chat.completions.create(model=counting, messages=HELLO, max_tokens=5000)
    assert (found.choices[0].message.content or "").split()[-1] == "5000"


@pytest.mark.parametrize("stream", [False, True])
def test_several_choices(openai: Any, counting: str, stream: bool) -> None:
    ask = {"model": counting, "messages": HELLO, "max_tokens": 2, "n": 3}
    if not stream:
        found = openai.chat.completions.create(**ask)
        assert [c.index for c in found.choices] == [0, 1, 2]
        assert {c.message.content for c in found.choices} == {"1 2 "}
        assert found.usage
        assert found.usage.completion_tokens == 6
        return
    texts = dict.fromkeys(range(3), "")
    for chunk in openai.chat.completions.create(**ask, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert set(texts.values()) == {"1 2 "}


def test_the_models(openai: Any, counting: str) -> None:
    assert counting in [model.id for model in openai.models.list()]
    assert openai.models.retrieve(counting).owned_by == "byzer-lab"
    with pytest.raises(sdk.NotFoundError):
        openai.models.retrieve("nobody")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"max_tokens": 0}, None),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"extra_body": {"frobnicate": 1}}, "frobnicate"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"n": 0}, "n"),
    ],
)
def test_a_wrong_request(
    openai: Any, counting: str, change: dict[str, object], param: str | None
) -> None:
    with pytest.raises(sdk.BadRequestError) as caught:
        openai.chat.completions.create(**{"model": counting, "messages": HELLO, **change})
    assert caught.value.type == "invalid_request_error"
    assert caught.value.param == param
    assert caught.value.message


def test_an_unknown_model(openai: Any, counting: str) -> None:
    for name in ("nobody", "../etc", "a b"):
        with pytest.raises(sdk.NotFoundError) as caught:
            openai.chat.completions.create(model=name, messages=HELLO)
        assert caught.value.code == "model_not_found"


def test_a_wrong_key(openai: Any) -> None:
    with pytest.raises(sdk.AuthenticationError) as caught:
        openai.with_options(api_key="wrong").models.list()
    assert caught.value.code == "invalid_api_key"
