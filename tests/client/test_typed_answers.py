"""``chat_oai(response_class=...)`` on a scripted model: how it asks, asks again, and gives up."""

from __future__ import annotations

import asyncio
import copy
import json
from typing import Any

import pydantic
import pytest

from byzer_lab.errors import (
    ContextLengthError,
    EngineError,
    InvalidRequestError,
    ProviderRequestError,
)
from byzer_lab.types import ImagePart, TextPart
from byzer_lab.utils import WORDING, response_class_format
from tests.support.scripted_model import ScriptedLLM, contents, end, pieces


class Story(pydantic.BaseModel):
    """故事"""

    title: str = pydantic.Field(description="故事的标题")
    body: str = pydantic.Field(description="故事主体")


class Shelf(pydantic.BaseModel):
    stories: list[Story]
    best: Story | None = None


GOOD = '{"title": "A", "body": "B"}'
STORY = Story(title="A", body="B")
ASKED = [{"role": "user", "content": "请给我讲个故事"}]


def test_a_story() -> None:
    llm = ScriptedLLM(GOOD)
    conversation = copy.deepcopy(ASKED)
    (answer,) = llm.chat_oai(conversation, response_class=Story)
    assert answer.value == STORY
    assert answer.response.output == GOOD
    assert answer.metadata["reason"] == answer.metadata["resason"] == ""
    assert (answer.metadata["attempts"], answer.metadata["model"]) == (1, "scripted")
    assert conversation == ASKED  # the caller's list is not changed
    assert contents(llm.requests[0]) == [response_class_format("请给我讲个故事", Story)]
    assert "故事的标题" in contents(llm.requests[0])[0]


def test_a_plain_chat_carries_no_word_of_ours() -> None:
    llm = ScriptedLLM("Hi.").setup_base_system_messages("scripted", "We do objects.")
    llm.chat_oai([{"role": "system", "content": "Be brief."}, *ASKED])
    assert contents(llm.requests[0]) == ["Be brief.", "请给我讲个故事"]
    assert llm.requests[0].response_schema is None


def test_it_is_asked_again_with_the_error() -> None:
    llm = ScriptedLLM("Once upon a time.", '{"title": "A"}', GOOD)
    (answer,) = llm.chat_oai("tell", response_class=Story)
    assert (answer.value, answer.metadata["attempts"]) == (STORY, 3)
    _, first, again, second, last = contents(llm.requests[2])
    assert (first, second) == ("Once upon a time.", '{"title": "A"}')
    assert "There is no JSON in the answer" in again
    assert "body: Field required" in last


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_it_is_given_up(retries: int) -> None:
    llm = ScriptedLLM('{"title": 1, "body": 2}')
    (answer,) = llm.chat_oai("tell", response_class=Story, max_retries=retries)
    assert len(llm.requests) == answer.metadata["attempts"] == retries + 1
    assert answer.value is None
    assert answer.metadata["reason"].startswith("No Story in the answer: title: Input should be")
    assert answer.metadata["resason"] == answer.metadata["reason"]


def test_what_was_cut_off_is_not_asked_again() -> None:
    llm = ScriptedLLM([*pieces('{"title": "A", "body": "B'), end("length")])
    (answer,) = llm.chat_oai("tell", response_class=Story)
    assert (answer.value, len(llm.requests)) == (None, 1)
    assert "cut at the token limit" in answer.metadata["reason"]


@pytest.mark.parametrize("mode", ["constrained", "json_schema", "tool", "json_object"])
def test_the_schema_goes_where_it_is_honoured(mode: str) -> None:
    llm = ScriptedLLM(GOOD, structured_output=mode)
    (answer,) = llm.chat_oai("tell", response_class=Story)
    assert llm.requests[0].response_schema == Story.model_json_schema()
    assert answer.metadata["structured_output"] == mode
    assert not answer.metadata["schema_reduced"]


def test_providers_get_objects_only() -> None:
    llm = ScriptedLLM(json.dumps({"value": [json.loads(GOOD)]}), structured_output="json_schema")
    (answer,) = llm.chat_oai("tell", response_class=list[Story])
    assert answer.value == [STORY]
    schema: Any = llm.requests[0].response_schema
    assert schema["properties"]["value"]["items"] == {"$ref": "#/$defs/Story"}
    assert json.dumps(schema, ensure_ascii=False) in contents(llm.requests[0])[0]
    local = ScriptedLLM(f"[{GOOD}]", structured_output="constrained")
    assert local.chat_oai("tell", response_class=list[Story])[0].value == [STORY]
    assert local.requests[0].response_schema == pydantic.TypeAdapter(list[Story]).json_schema()


class Code(pydantic.BaseModel):
    code: str = pydantic.Field(pattern="^[a-z]+[0-9]$", max_length=4)


def test_a_refused_schema_is_loosened_and_the_class_is_not() -> None:
    def refusing(request: Any) -> Any:
        if "pattern" in json.dumps(request.response_schema):
            return InvalidRequestError("$.properties.code.pattern: patterns are not held.")
        return '{"code": "abc"}' if len(llm.requests) < 3 else '{"code": "abc1"}'

    llm = ScriptedLLM(refusing, structured_output="constrained")
    (answer,) = llm.chat_oai("tell", response_class=Code)
    assert (answer.value, answer.metadata["attempts"]) == (Code(code="abc1"), 2)
    assert answer.metadata["schema_reduced"]
    sent = [request.response_schema for request in llm.requests]
    assert len(sent) == 3  # refused, answered wrongly, answered; not refused again
    assert sent[1] == sent[2]
    assert sent[1]["properties"]["code"]["maxLength"] == 4  # type: ignore[index]


def test_a_schema_that_the_provider_refuses_stands_in_the_prompt() -> None:
    llm = ScriptedLLM(
        lambda request: ProviderRequestError("No.") if request.response_schema else GOOD,
        structured_output="json_schema",
    )
    (answer,) = llm.chat_oai("tell", response_class=Story)
    assert answer.value == STORY
    assert answer.metadata["structured_output"] == "prompt"


def test_a_refusal_of_something_else_is_raised() -> None:
    llm = ScriptedLLM(InvalidRequestError("No."), structured_output="constrained")
    with pytest.raises(InvalidRequestError, match="No"):
        llm.chat_oai("tell", response_class=Code)
    assert llm.requests[-1].response_schema is None
    llm = ScriptedLLM(ProviderRequestError("No."), GOOD, structured_output="json_schema")
    assert llm.chat_oai("tell", response_class=Story)[0].value == STORY
    for error in (ContextLengthError("Too long."), EngineError("It broke.")):
        llm = ScriptedLLM(error, structured_output="constrained")
        with pytest.raises(type(error)):
            llm.chat_oai("tell", response_class=Code)
        assert len(llm.requests) == 1


def test_the_structure_after_the_chat() -> None:
    llm = ScriptedLLM("It was A, and B.", "no", GOOD, structured_output="constrained")
    (answer,) = llm.chat_oai(
        ASKED, response_class=Story, response_after_chat=True, model="scripted"
    )
    assert (answer.value, answer.metadata["chat"]) == (STORY, "It was A, and B.")
    free, structured, _ = llm.requests
    assert (contents(free), free.response_schema) == (["请给我讲个故事"], None)
    assert contents(structured)[:2] == ["请给我讲个故事", "It was A, and B."]
    assert "Write your last answer as JSON" in contents(structured)[2]


def test_pictures_stay_in_the_question() -> None:
    llm = ScriptedLLM(GOOD)
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    ]
    llm.chat_oai([{"role": "user", "content": parts}], response_class=Story)
    (message,) = llm.requests[0].messages or []
    picture, text = list(message.content)
    assert isinstance(picture, ImagePart)
    assert isinstance(text, TextPart)
    assert text.text.startswith("What is it?\nReturn only JSON")


def test_a_conversation_that_ends_with_an_answer() -> None:
    llm = ScriptedLLM(GOOD)
    llm.chat_oai([*ASKED, {"role": "assistant", "content": "A, B."}], response_class=Story)
    assert contents(llm.requests[0])[2].startswith("Return only JSON")


def test_only_the_prompt() -> None:
    llm = ScriptedLLM(structured_output="constrained")
    (answer,) = llm.chat_oai("tell", response_class=Story, only_return_prompt=True)
    assert answer.metadata["reason"] == "Only return prompt"
    assert answer.value is answer.response
    assert answer.response.metadata["response_schema"] == Story.model_json_schema()
    assert not llm.requests
    (plain,) = llm.chat_oai("tell", only_return_prompt=True)
    assert plain.input == {"messages": [{"role": "user", "content": "tell"}]}
    assert plain.output == ""


def test_a_prompt_of_words_is_constrained_as_well() -> None:
    llm = ScriptedLLM(GOOD, structured_output="constrained")
    words = {"user_role": "User:", "assistant_role": "Assistant:"}
    llm.chat_oai("tell", response_class=Story, role_mapping=words)
    (request,) = llm.requests
    assert (request.prompt or "").startswith("User:tell\nReturn only JSON")
    assert request.response_schema


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"tools": [print], "response_class": Story}, "tools and response_class don't go"),
        ({"impl_func": print}, "impl_func needs response_class"),
        ({"execute_tool": True}, "there are no tools"),
        ({"response_class": Story, "max_retries": -1}, "max_retries is -1"),
        ({"response_class": "Story"}, "no JSON schema"),
    ],
)
def test_what_does_not_go_together(arguments: dict[str, Any], sentence: str) -> None:
    llm = ScriptedLLM("x")
    with pytest.raises(InvalidRequestError, match=sentence):
        llm.chat_oai("tell", **arguments)
    assert not llm.requests


# -- streams ------------------------------------------------------------------------------------

SHELF = '{"stories": [{"title": "A", "body": "one"}, {"title": "B", "body": "two"}], "best": null}'


def test_an_object_grows() -> None:
    llm = ScriptedLLM(SHELF, structured_output="constrained")
    items = list(llm.stream_chat_oai("tell", response_class=Shelf))
    values = [value for value, _ in items]
    assert all(isinstance(value, Shelf) for value in values)
    assert values[0].stories in (None, [])
    assert any(len(value.stories or []) == 1 for value in values)
    partial = next(value for value in values if value.stories and value.stories[0].body is None)
    assert isinstance(partial.stories[0], Story)
    assert values[-1] == Shelf.model_validate_json(SHELF)
    assert items[-1][1].metadata["reason"] == ""
    assert llm.requests[0].response_schema
    shown = [(value.model_dump_json(warnings=False), *value.model_fields_set) for value in values]
    assert len(shown[:-1]) == len(set(shown[:-1]))  # each item is news


def test_a_stream_tells_why_there_is_no_object() -> None:
    values = list(ScriptedLLM("no").stream_chat_oai("tell", response_class=Story))
    assert [value for value, _ in values] == [None]
    assert "No Story" in values[-1][1].metadata["reason"]
    cut = ScriptedLLM([*pieces('{"title": "A"'), end("length")])
    *_, (value, meta) = cut.stream_chat_oai("tell", response_class=Story)
    assert value is None
    assert "cut at the token limit" in meta.metadata["reason"]


def test_a_stream_of_data_that_is_wrapped() -> None:
    llm = ScriptedLLM('{"value": [1, 22, 3]}', structured_output="tool")
    values = [value for value, _ in llm.stream_chat_oai("tell", response_class=list[int])]
    assert values[0] == [1]
    assert values[-1] == [1, 22, 3]
    assert all(isinstance(value, list) for value in values)


def test_asyncio_streams_objects() -> None:
    llm = ScriptedLLM(
        lambda request: InvalidRequestError("No.") if request.response_schema else GOOD,
        structured_output="constrained",
    )

    async def ask() -> list[Any]:
        stream = llm.async_stream_chat_oai("tell", response_class=Story)
        return [value async for value, _ in stream]

    assert asyncio.run(ask())[-1] == STORY
    assert len(llm.requests) == 2  # refused with the schema, then without


# -- hooks --------------------------------------------------------------------------------------


def test_hooks_write_the_questions_under_default_arguments() -> None:
    def custom(prompt: str, cls: Any) -> str:
        return f"{prompt} as {cls.schema_json(ensure_ascii=False)}"

    llm = ScriptedLLM(GOOD).setup_response_class_format_func("scripted", custom)
    with pytest.warns(DeprecationWarning, match="schema_json"):
        llm.chat_oai("tell", response_class=Story)
    assert contents(llm.requests[0])[0].startswith('tell as {"description":')
    llm.setup_sys_response_class_format_func("scripted", lambda prompt, cls: f"sys {prompt}")
    llm.setup_base_system_messages("scripted", "We do objects.")
    llm.chat_oai("tell", response_class=Story)
    assert contents(llm.requests[1]) == ["We do objects.", "sys tell"]
    with pytest.warns(DeprecationWarning, match="schema_json"):
        llm.chat_oai("tell", response_class=Story, enable_default_sys_message=False)
    assert len(contents(llm.requests[2])) == 1


@pytest.mark.parametrize("hook", [lambda cls: f"now {cls.__name__}",
                                  lambda answer, cls: f"now {cls.__name__}"])  # fmt: skip
def test_the_hook_after_the_chat(hook: Any) -> None:
    llm = ScriptedLLM("free", GOOD)
    llm.setup_response_class_format_after_chat_func("scripted", hook)
    llm.chat_oai("tell", response_class=Story, response_after_chat=True)
    assert contents(llm.requests[1]) == ["tell", "free", "now Story"]


def test_another_language(monkeypatch: pytest.MonkeyPatch) -> None:
    llm = ScriptedLLM(GOOD).setup_wording_language("zh")
    llm.chat_oai("讲", response_class=Story)
    assert "请只返回" in contents(llm.requests[0])[0]
    monkeypatch.setitem(WORDING, "fr", WORDING["en"] | {"response_class": "{prompt} JSON {schema}"})
    llm.setup_wording_language("fr").chat_oai("dis", response_class=Story)
    assert contents(llm.requests[1])[0].startswith("dis JSON {")
    with pytest.raises(InvalidRequestError, match="no wording in the language 'xx'; there is: en"):
        llm.setup_wording_language("xx")
    with pytest.raises(InvalidRequestError, match="is no function that writes a prompt"):
        llm.setup_response_class_format_func("scripted", "text")  # type: ignore[arg-type]


def test_languages_have_the_same_texts() -> None:
    assert WORDING["zh"].keys() == WORDING["en"].keys()


def test_a_model_that_comes_to_no_end_is_asked_for_a_shorter_answer() -> None:
    cut = [*pieces('{"stories": [{"title": "A", "body": "B"}, '), end("length")]
    llm = ScriptedLLM(cut, SHELF, structured_output="constrained")
    (answer,) = llm.chat_oai("tell", response_class=Shelf)
    assert answer.value == Shelf.model_validate_json(SHELF)
    first, second = llm.requests
    assert first.messages == second.messages
    shorter: Any = second.response_schema
    assert shorter["properties"]["stories"]["maxItems"] == 3
    assert answer.metadata["attempts"] == 2
    llm = ScriptedLLM(cut, structured_output="constrained")
    (none,) = llm.chat_oai("tell", response_class=Shelf)
    assert (none.value, len(llm.requests)) == (None, 2)
    llm = ScriptedLLM(cut, structured_output="json_schema")
    llm.chat_oai("tell", response_class=Shelf)
    assert len(llm.requests) == 1


def test_what_a_model_thinks_aloud_is_neither_its_answer_nor_a_call() -> None:
    thought = '<think>[hm] {"name": "look", "arguments": {}} or not?</think>'
    llm = ScriptedLLM(f'{thought}{{"title": "T", "body": "B"}}')
    titles = [value.title for value, _ in llm.stream_chat_oai("q", response_class=Story)]
    assert len(titles) > 2
    assert titles[-1] == "T"

    def look() -> str:
        """Look."""
        return "seen"

    [answer] = ScriptedLLM(f"{thought}No.").chat_oai("q", tools=[look], execute_tool=True)
    assert answer.values == []
