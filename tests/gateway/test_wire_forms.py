"""What reaches an engine, and how its answers look to the official clients."""

from __future__ import annotations

import base64
import json
from typing import Any

import openai as sdk
import pytest
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "hello"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


class Story(BaseModel):
    title: str
    body: str


def asked(answer: Any) -> dict[str, Any]:
    """What the engine was asked, which is its answer."""
    found: dict[str, Any] = json.loads(answer.choices[0].message.content)
    return found


def test_every_parameter_arrives(openai: Any, talking: str) -> None:
    answer = openai.chat.completions.create(
        model=talking,
        messages=HELLO,
        temperature=0.5,
        top_p=0.9,
        seed=3,
        stop="END",
        max_tokens=9,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        user="somebody",
        metadata={"a": "b"},
        reasoning_effort="low",
        extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "ignore_eos": True},
    )
    assert asked(answer)["sampling"] == {
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["END"],
        "max_tokens": 9,
        "presence_penalty": 0.1,
        "frequency_penalty": 0.2,
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "ignore_eos": True,
        "options": {"reasoning_effort": "low"},
    }
    details = answer.usage
    assert (details.prompt_tokens, details.completion_tokens) == (7, 5)
    assert details.prompt_tokens_details.cached_tokens == 2
    assert details.completion_tokens_details.reasoning_tokens == 1


def test_what_is_left_open_stays_open(openai: Any, talking: str) -> None:
    answer = openai.chat.completions.create(model=talking, messages=HELLO)
    assert asked(answer) == {
        "messages": [{"role": "user", "content": "hello"}],
        "sampling": {},
    }


def test_every_turn_arrives(openai: Any, talking: str) -> None:
    picture = "data:image/png;base64,AAAA"
    turns = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this"},
                {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "refusal": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "sunny"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ]
    answer = openai.chat.completions.create(model=f"{talking}:lora", messages=turns)
    assert asked(answer)["adapter"] == "lora"
    assert asked(answer)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "what is this"},
                {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "name": "weather", "arguments": "{}"}],
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "c1"},
        {"role": "user", "content": "a\nb"},
    ]


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "weather"}}]
)
def test_a_tool_is_called(openai: Any, talking: str, choice: Any) -> None:
    answer = openai.chat.completions.create(
        model=talking, messages=HELLO, tools=[WEATHER], tool_choice=choice
    )
    [one] = answer.choices
    assert one.finish_reason == "tool_calls"
    assert one.message.content is None
    [call] = one.message.tool_calls
    assert (call.id, call.function.name) == ("call_0", "weather")
    assert json.loads(call.function.arguments) == {"city": "Paris"}


def test_a_tool_is_called_in_a_stream(openai: Any, talking: str) -> None:
    with openai.chat.completions.stream(
        model=talking, messages=HELLO, tools=[WEATHER], tool_choice="required"
    ) as stream:
        for _ in stream:
            pass
        final = stream.get_final_completion()
    [call] = final.choices[0].message.tool_calls
    assert call.function.arguments == '{"city": "Paris"}'
    assert final.choices[0].finish_reason == "tool_calls"


def test_the_older_form_of_tools(openai: Any, talking: str) -> None:
    answer = openai.chat.completions.create(
        model=talking,
        messages=HELLO,
        functions=[WEATHER["function"]],
        function_call={"name": "weather"},
    )
    assert answer.choices[0].finish_reason == "function_call"
    assert answer.choices[0].message.function_call.name == "weather"


def test_an_answer_of_a_class(openai: Any, talking: str) -> None:
    answer = openai.chat.completions.parse(model=talking, messages=HELLO, response_format=Story)
    assert answer.choices[0].message.parsed == Story(title="a", body="b")
    loose = openai.chat.completions.create(
        model=talking, messages=HELLO, response_format={"type": "json_object"}
    )
    assert set(json.loads(loose.choices[0].message.content)) == {"title", "body"}


def test_probabilities(openai: Any, talking: str) -> None:
    answer = openai.chat.completions.create(
        model=talking, messages=HELLO, logprobs=True, top_logprobs=2
    )
    first, second = answer.choices[0].logprobs.content
    assert (first.token, first.logprob, [t.token for t in first.top_logprobs]) == (
        "x",
        -1.0,
        ["x", "y"],
    )
    assert bytes(second.bytes).decode() == "é"
    old = openai.completions.create(model=talking, prompt="x", logprobs=1)
    assert old.choices[0].text == "xé"
    assert old.choices[0].logprobs.text_offset == [0, 1]
    assert old.choices[0].logprobs.top_logprobs[0] == {"x": -1.0}


def test_what_a_model_thinks(openai: Any, talking: str) -> None:
    ask = {"model": talking, "messages": [{"role": "user", "content": "think"}]}
    whole = openai.chat.completions.create(**ask)
    assert whole.choices[0].message.reasoning_content == "let me see ..."
    thought = [
        getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
        for chunk in openai.chat.completions.create(**ask, stream=True)
    ]
    assert "".join(thought) == "let me see ..."


def test_completions(openai: Any, counting: str) -> None:
    many = openai.completions.create(model=counting, prompt=["a", "b"], max_tokens=2, n=2)
    assert [choice.text for choice in many.choices] == ["1 2 "] * 4
    stream = openai.completions.create(model=counting, prompt="a", max_tokens=3, stream=True)
    chunks = list(stream)
    assert "".join(chunk.choices[0].text for chunk in chunks) == "1 2 3 "
    assert chunks[-1].choices[0].finish_reason == "stop"
    for wrong in ({"echo": True}, {"suffix": "x"}, {"best_of": 3}, {"prompt": [1, 2]}):
        with pytest.raises(sdk.BadRequestError) as caught:
            openai.completions.create(**{"model": counting, "prompt": "a", **wrong})
        assert caught.value.param in wrong


def test_embeddings(openai: Any, talking: str, counting: str) -> None:
    texts = ["one", "x" * 200]
    for form in ("float", "base64"):
        found = openai.embeddings.create(model=talking, input=texts, encoding_format=form)
        vector = found.data[0].embedding
        if form == "base64":
            assert base64.b64decode(vector)[4:8] == b"\x00\x00\x00?"
        else:
            assert vector == [3.0, 0.5, -1.0]
        assert found.usage.prompt_tokens == 2
    assert found.data[1].truncated is True
    assert openai.embeddings.create(model=talking, input="one").data[0].embedding[1] == 0.5
    wrongs: list[dict[str, Any]] = [{"dimensions": 2}, {"input": []}, {"input": [1, 2]}]
    for wrong in [*wrongs, {"input": ["a", ""]}]:
        with pytest.raises(sdk.BadRequestError) as caught:
            openai.embeddings.create(**{"model": talking, "input": "a", **wrong})
        assert caught.value.param in wrong
    with pytest.raises(sdk.BadRequestError, match="vectors"):
        openai.embeddings.create(model=counting, input="a")


def test_rerank(http: Any, talking: str) -> None:
    body = {
        "model": talking,
        "query": "q",
        "documents": ["a", {"text": "ccc"}, "bb"],
        "top_n": 2,
        "return_documents": True,
    }
    found = http.post("/v1/rerank", json=body).json()
    assert [(r["index"], r["relevance_score"]) for r in found["results"]] == [(1, 3.0), (2, 2.0)]
    assert found["results"][0]["document"] == {"text": "ccc"}


def test_models_that_neither_draw_nor_speak(openai: Any, counting: str) -> None:
    with pytest.raises(sdk.BadRequestError, match="draws"):
        openai.images.generate(model=counting, prompt="a cat")
    with pytest.raises(sdk.BadRequestError, match="speaks"):
        openai.audio.speech.create(model=counting, input="a", voice="alloy")
    with pytest.raises(sdk.BadRequestError, match="writes down"):
        openai.audio.transcriptions.create(model=counting, file=("a.wav", b"RIFF"))
