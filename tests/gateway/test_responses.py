"""``/v1/responses`` asked with OpenAI's own client."""

from __future__ import annotations

import json
from typing import Any

import openai as sdk
import pytest

from tests.gateway.test_wire_forms import Story

WEATHER = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


def test_a_text(openai: Any, counting: str) -> None:
    found = openai.responses.create(model=counting, input="hello", max_output_tokens=3)
    assert found.status == "completed"
    assert found.output_text == "1 2 3 "
    assert found.usage.output_tokens == 3


def test_a_conversation_arrives(openai: Any, talking: str) -> None:
    found = openai.responses.create(
        model=talking,
        instructions="Be brief.",
        input=[
            {"role": "user", "content": [{"type": "input_text", "text": "weather?"}]},
            {"type": "reasoning", "id": "r", "summary": []},
            {"type": "function_call", "call_id": "c", "name": "weather", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c", "output": "sunny"},
        ],
        temperature=0.5,
        max_output_tokens=5,
    )
    asked = json.loads(found.output_text)
    assert asked["sampling"] == {"max_tokens": 5, "temperature": 0.5}
    assert asked["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "tool_calls": [{"id": "c", "name": "weather", "arguments": "{}"}]},
        {"role": "tool", "content": "sunny", "tool_call_id": "c"},
    ]


def test_a_stream(openai: Any, counting: str) -> None:
    events = list(
        openai.responses.create(model=counting, input="a", max_output_tokens=3, stream=True)
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    assert kinds[-4:] == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == events[-1].response.output_text == "1 2 3 "


def test_tools_and_thoughts(openai: Any, talking: str) -> None:
    ask = {"model": talking, "input": "think", "tools": [WEATHER], "tool_choice": "required"}
    thought, call = openai.responses.create(**ask).output
    assert thought.content[0].text == "let me see ..."
    assert (call.type, call.call_id, call.name) == ("function_call", "call_0", "weather")
    assert json.loads(call.arguments) == {"city": "Paris"}
    with openai.responses.stream(**ask) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert "response.reasoning_text.delta" in kinds
    assert "response.function_call_arguments.done" in kinds
    assert [item.type for item in final.output] == ["reasoning", "function_call"]


def test_an_answer_of_a_class(openai: Any, talking: str) -> None:
    found = openai.responses.parse(model=talking, input="a story", text_format=Story)
    assert found.output_parsed == Story(title="a", body="b")


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": []}, "input"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0].type"),
        ({"input": [{"role": "user"}]}, "input[0]"),
    ],
)
def test_a_wrong_request(openai: Any, counting: str, change: dict[str, Any], param: str) -> None:
    with pytest.raises(sdk.BadRequestError) as caught:
        openai.responses.create(**{"model": counting, "input": "a", **change})
    assert caught.value.param == param
