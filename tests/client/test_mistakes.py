"""Mistakes of callers and of what they pass in: each is told in a sentence, none escapes raw."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

import pydantic
import pytest

import byzer_lab
from byzer_lab.errors import InvalidRequestError
from byzer_lab.utils import WORDING, get_tool, response_class_format_after_chat
from tests.support.scripted_model import ScriptedLLM, calls, contents

STORY = '{"title": "T", "body": "B"}'


class Story(pydantic.BaseModel):
    """A story."""

    title: str
    body: str


def compute_now(zone: str) -> str:
    """Compute the time."""
    return zone


@pytest.mark.parametrize("tools", [compute_now, "compute_now", {"name": "compute_now"}, 5])
def test_tools_that_are_no_list(tools: Any) -> None:
    llm = ScriptedLLM("?", support_tools=True)
    with pytest.raises(InvalidRequestError, match=r"it must be a list of functions"):
        llm.chat_oai("q", tools=tools, execute_tool=True)
    assert not llm.requests


def test_tools_may_be_in_whatever_is_iterated_over() -> None:
    llm = ScriptedLLM(calls(("compute_now", {"zone": "UTC"})), support_tools=True)
    [answer] = llm.chat_oai("q", tools=iter([compute_now]), execute_tool=True)
    assert answer.values == ["UTC"]


def test_a_tool_choice_of_no_form() -> None:
    llm = ScriptedLLM("?", support_tools=True)
    with pytest.raises(InvalidRequestError, match="tool_choice is"):
        llm.chat_oai("q", tools=[compute_now], tool_choice={"function": "compute_now"})


@pytest.mark.parametrize("parameters", [{"type": "foo"}, "foo", [1]])
def test_a_tools_schema_is_named_as_such(parameters: Any) -> None:
    llm = ScriptedLLM("?", support_tools=True)
    with pytest.raises(InvalidRequestError, match="^The schema of a tool's parameters is"):
        llm.chat_oai("q", tools=[{"name": "x", "parameters": parameters}])


def test_func_params_that_no_tool_takes() -> None:
    llm = ScriptedLLM("?", support_tools=True)
    with pytest.raises(InvalidRequestError, match="'zoen'.*did you mean zone"):
        llm.chat_oai("q", tools=[compute_now], func_params={"zoen": "UTC"})
    with pytest.raises(InvalidRequestError, match="it is a dict"):
        llm.chat_oai("q", tools=[compute_now], func_params=["UTC"])


def test_func_params_of_a_tool_that_takes_anything() -> None:
    def log(**what: str) -> dict[str, str]:
        """Log."""
        return what

    llm = ScriptedLLM(calls(("log", {})), support_tools=True)
    [answer] = llm.chat_oai("q", tools=[log], func_params={"db": "here"}, execute_tool=True)
    assert answer.values == [{"db": "here"}]


def test_a_default_of_none_may_be_written() -> None:
    def weather(
        city: Annotated[str, "where"] = None,  # noqa: RUF013
        unit: Annotated[str, "of what", {"enum": ["C", "F"]}] = None,  # noqa: RUF013
        days: Annotated[int, pydantic.Field(ge=1, description="how many")] = None,  # noqa: RUF013
    ) -> Any:
        """Tell the weather."""
        return city, unit, days

    parameters = get_tool(weather)["function"]["parameters"]
    assert parameters["required"] == []
    assert parameters["properties"]["city"] == {
        "anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "description": "where"
    }  # fmt: skip
    assert parameters["properties"]["unit"]["enum"] == ["C", "F", None]
    assert parameters["properties"]["days"]["description"] == "how many"
    nothing = {"city": None, "unit": None, "days": None}
    script = [calls(("weather", nothing)), calls(("weather", {"unit": "K"}))]
    llm = ScriptedLLM(*script, calls(("weather", {"days": 0})), support_tools=True)
    [answer] = llm.chat_oai("q", tools=[weather], execute_tool=True)
    assert answer.values == [(None, None, None)]
    for named in ("unit", "days"):
        [answer] = llm.chat_oai("q", tools=[weather], execute_tool=True)
        assert not answer.values
        assert named in answer.metadata["reason"]


def inside_of_itself() -> list[Any]:
    """Return a list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found


def no_text() -> bytes:
    """Return bytes that are no text."""
    return b"\xff\xfe"


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("tool", [inside_of_itself, no_text])
def test_a_result_that_json_cannot_hold_goes_back_as_python_shows_it(
    tool: Callable[[], Any], native: bool
) -> None:
    name = tool.__name__
    told = json.dumps({"tool_calls": [{"name": name, "arguments": {}}]})
    llm = ScriptedLLM(calls((name, {})) if native else told, "Done.", support_tools=native)
    [answer] = llm.chat_oai("q", tools=[tool], max_tool_rounds=1)
    assert answer.response.output == "Done."
    assert len(answer.values) == 1
    shown = {"inside_of_itself": "[[...]]", "no_text": "xff"}[name]
    assert shown in contents(llm.requests[1])[-1]


@pytest.mark.parametrize("wrong", [None, 5, b"text"])
def test_a_format_function_that_returns_no_text(wrong: Any) -> None:
    llm = ScriptedLLM(STORY)
    llm.setup_response_class_format_func("scripted", lambda prompt, cls: wrong)
    llm.setup_function_calling_format_func("scripted", lambda prompt, tools, choice: wrong)
    llm.setup_impl_func_format_func("scripted", lambda prompt, func, cls: wrong)
    for arguments in (
        {"response_class": Story},
        {"tools": [compute_now]},
        {"impl_func": compute_now, "response_class": Story},
    ):
        with pytest.raises(InvalidRequestError, match="must return the text that the model gets"):
            llm.chat_oai("q", **arguments)
    assert not llm.requests


def test_our_own_format_for_the_free_answer_can_be_set_up() -> None:
    llm = ScriptedLLM("Once.", STORY)
    llm.setup_response_class_format_after_chat_func("scripted", response_class_format_after_chat)
    [answer] = llm.chat_oai("q", response_class=Story, response_after_chat=True)
    assert answer.value == Story(title="T", body="B")
    assert "Write your last answer as JSON" in contents(llm.requests[1])[-1]


class Careless(pydantic.BaseModel):
    """A class whose own check raises something else than it should."""

    share: int

    @pydantic.field_validator("share")
    @classmethod
    def check(cls, value: int) -> int:
        return 100 // value


def test_a_class_whose_check_raises_whatever_it_likes() -> None:
    llm = ScriptedLLM('{"share": 0}', '{"share": 50}')
    [answer] = llm.chat_oai("q", response_class=Careless)
    assert answer.value.share == 2
    assert answer.metadata["attempts"] == 2
    assert "refused it with ZeroDivisionError" in contents(llm.requests[1])[-1]
    *_, (last, meta) = ScriptedLLM('{"share": 0}').stream_chat_oai("q", response_class=Careless)
    assert last is None
    assert "ZeroDivisionError" in meta.metadata["reason"]


class Summed(pydantic.BaseModel):
    """A class that computes as soon as it is made."""

    first: int
    second: int

    def model_post_init(self, context: Any) -> None:
        self.__dict__["sum"] = self.first + self.second


def test_a_growing_object_is_shown_when_its_class_takes_it() -> None:
    llm = ScriptedLLM('{"first": 10, "second": 20, "more": "nothing new"}')
    items = [value for value, _ in llm.stream_chat_oai("q", response_class=Summed)]
    assert len(items) > 1
    assert all(item.first == 10 for item in items)
    assert items[-1] == Summed(first=10, second=20)


@pytest.mark.parametrize(
    "schema", [{"$ref": "#"}, {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}}]
)
def test_a_schema_that_refers_to_itself_without_end(schema: dict[str, Any]) -> None:
    [answer] = ScriptedLLM(STORY).chat_oai("q", response_class=schema, max_retries=0)
    assert answer.value is None
    assert "refers to itself" in answer.metadata["reason"]


def test_a_schema_without_a_title_is_named() -> None:
    [answer] = ScriptedLLM("?").chat_oai("q", response_class={"type": "object"}, max_retries=0)
    assert answer.metadata["reason"].startswith("No JSON of the schema in the answer: ")


def test_a_function_is_no_response_class() -> None:
    with pytest.raises(InvalidRequestError, match="is the function compute_now; .* as tools"):
        ScriptedLLM("?").chat_oai("q", response_class=compute_now)


def test_decorators_without_parentheses() -> None:
    def ask(text: str) -> Story:
        """{{ text }}"""

    llm = ScriptedLLM(STORY)
    for decorator in (llm.prompt, llm.impl, llm.response):
        with pytest.raises(InvalidRequestError, match="stands with parentheses: @llm"):
            decorator(ask)  # type: ignore[operator]
    bare: Any = byzer_lab.prompt(ask)
    for call in (lambda: bare("q"), lambda: bare(text="q"), lambda: bare()):
        with pytest.raises(InvalidRequestError, match="stands with parentheses: @byzer_lab"):
            call()


@pytest.mark.parametrize("options", [5, {"llm_config": "hot"}])
def test_options_that_are_no_dict(options: Any) -> None:
    llm = ScriptedLLM("?")
    with pytest.raises(InvalidRequestError, match="it is a dict of"):
        llm.prompt(options=options)
    with pytest.raises(InvalidRequestError, match="it is a dict of"):
        byzer_lab.prompt(llm, options=options)

    @byzer_lab.prompt(llm)
    def ask(text: str) -> str:
        """{{ text }}"""
        return {}  # type: ignore[return-value]

    with pytest.raises(InvalidRequestError, match="it is a dict of"):
        ask.options(options)


def test_a_call_that_does_not_fit_names_its_function() -> None:
    llm = ScriptedLLM(STORY)

    def tell(text: str) -> Story:
        """{{ text }}"""

    for made in (llm.prompt()(tell), llm.impl()(tell), llm.response()(tell)):
        with pytest.raises(TypeError, match=r"^tell\(\) missing a required argument: 'text'$"):
            made()


def test_a_hook_gets_what_was_asked_for_where_a_provider_takes_objects_only() -> None:
    seen: list[Any] = []
    llm = ScriptedLLM("Once.", f'{{"value": [{STORY}]}}', structured_output="json_schema")
    llm.setup_response_class_format_func("scripted", lambda prompt, cls: seen.append(cls) or "?")
    llm.setup_response_class_format_after_chat_func(
        "scripted", lambda answer, cls: seen.append((answer, cls)) or "?"
    )
    [answer] = llm.chat_oai("q", response_class=list[Story], response_after_chat=True)
    assert answer.value == [Story(title="T", body="B")]
    [answer] = llm.chat_oai("q", response_class=list[Story])
    assert answer.value == [Story(title="T", body="B")]
    assert seen == [("Once.", list[Story]), list[Story]]


def test_a_language_that_lacks_words_or_has_wrong_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WORDING, "fr", WORDING["en"] | {"response_class": "{question} {"})
    llm = ScriptedLLM("?").setup_wording_language("fr")
    with pytest.raises(InvalidRequestError, match="'response_class' in the language 'fr' can't"):
        llm.chat_oai("q", response_class=Story)
    WORDING["fr"]["response_class"] = "{prompt} {question}"
    with pytest.raises(InvalidRequestError, match="it has prompt, schema to fill in"):
        llm.chat_oai("q", response_class=Story)
    del WORDING["fr"]["response_class"]
    with pytest.raises(InvalidRequestError, match="has no 'response_class'"):
        llm.chat_oai("q", response_class=Story)
    assert not llm.requests


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ({"execute_tool": True}, "are no tools"),
        ({"tool_choice": "required"}, "are no tools"),
        ({"tool_choice": "compute_now", "response_class": Story}, "are no tools"),
        ({"execute_impl_func": True, "response_class": Story}, "is no impl_func"),
        ({"response_after_chat": True}, "is no response_class"),
    ],
)
def test_what_is_set_for_something_that_is_missing(arguments: Any, missing: str) -> None:
    llm = ScriptedLLM(STORY)
    with pytest.raises(
        InvalidRequestError, match=f"^{next(iter(arguments))} is set, but there {missing}"
    ):
        llm.chat_oai("q", **arguments)
    assert not llm.requests
    assert llm.chat_oai("q", tools=[], tool_choice="auto")[0].output == STORY
