"""``/v1/messages`` asked with Anthropic's own client."""

from __future__ import annotations

import json
from typing import Any

import anthropic as sdk
import pytest

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def test_a_text(anthropic: Any, counting: str) -> None:
    found = anthropic.messages.create(model=counting, messages=HELLO, max_tokens=3)
    assert (found.role, found.content[0].text, found.stop_reason) == (
        "assistant",
        "1 2 3 ",
        "end_turn",
    )
    assert found.usage.output_tokens == 3


def test_a_stream(anthropic: Any, counting: str) -> None:
    with anthropic.messages.stream(model=counting, messages=HELLO, max_tokens=3) as stream:
        assert "".join(stream.text_stream) == "1 2 3 "
        final = stream.get_final_message()
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 3


def test_a_conversation_arrives(anthropic: Any, talking: str) -> None:
    found = anthropic.messages.create(
        model=talking,
        max_tokens=5,
        system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        extra_body={"temperature": 0.5},
        stop_sequences=["END"],
        messages=[
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "weather?"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": ""},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Rome"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "sunny"},
                    {"type": "text", "text": "so?"},
                ],
            },
        ],
    )
    asked = json.loads(found.content[0].text)
    assert asked["sampling"] == {"max_tokens": 5, "temperature": 0.5, "stop": ["END"]}
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "weather?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
            ],
        },
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [{"id": "t1", "name": "weather", "arguments": '{"city":"Rome"}'}],
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "t1"},
        {"role": "user", "content": "so?"},
    ]


def test_the_stop_text_that_ended_an_answer(anthropic: Any, talking: str) -> None:
    ask = {
        "model": talking,
        "max_tokens": 20,
        "messages": [{"role": "user", "content": "until"}],
        "stop_sequences": ["A", "END"],
    }
    found = anthropic.messages.create(**ask)
    assert (found.stop_reason, found.stop_sequence) == ("stop_sequence", "END")
    with anthropic.messages.stream(**ask) as stream:
        final = stream.get_final_message()
    assert (final.stop_reason, final.stop_sequence) == ("stop_sequence", "END")
    del ask["stop_sequences"]
    found = anthropic.messages.create(**ask)
    assert (found.stop_reason, found.stop_sequence) == ("end_turn", None)


def test_tools_and_thoughts(anthropic: Any, talking: str) -> None:
    ask = {
        "model": talking,
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": "think"}],
        "tools": [WEATHER],
        "tool_choice": {"type": "any"},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
    }
    found = anthropic.messages.create(**ask)
    thought, call = found.content
    assert thought.thinking == "let me see ..."
    assert (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Paris"})
    assert found.stop_reason == "tool_use"
    with anthropic.messages.stream(**ask) as stream:
        final = stream.get_final_message()
    assert [block.type for block in final.content] == ["thinking", "tool_use"]
    assert final.content[1].input == {"city": "Paris"}
    del ask["thinking"]
    assert [b.type for b in anthropic.messages.create(**ask).content] == ["tool_use"]


def test_wrong_requests(anthropic: Any, counting: str) -> None:
    with pytest.raises(sdk.BadRequestError) as caught:
        anthropic.messages.create(model=counting, messages=[], max_tokens=3)
    assert caught.value.response.json()["error"]["type"] == "invalid_request_error"
    with pytest.raises(sdk.NotFoundError) as missing:
        anthropic.messages.create(model="nobody", messages=HELLO, max_tokens=3)
    assert missing.value.response.json()["error"]["type"] == "not_found_error"
    with pytest.raises(sdk.AuthenticationError):
        anthropic.with_options(api_key="wrong").messages.create(
            model=counting, messages=HELLO, max_tokens=3
        )
