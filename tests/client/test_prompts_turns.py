"""What prompt functions say beside their prompts: conversations, markers, prefixes, holders."""

# mypy: disable-error-code="empty-body, untyped-decorator"

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from typing import Any, cast

import pydantic
import pytest

import byzer_lab
import byzer_lab.types
from byzer_lab import LLMResponse, MetaHolder, Templates
from byzer_lab.errors import InvalidRequestError
from tests.support.scripted_model import ScriptedLLM, contents


class Answer(pydantic.BaseModel):
    text: str


@byzer_lab.prompt()
def tell(word: str) -> str:
    """Tell of {{ word }}."""


@byzer_lab.prompt()
def stream(word: str) -> Generator[str, None, None]:
    """Tell of {{ word }}."""


@byzer_lab.prompt()
def stream_later(word: str) -> AsyncGenerator[str, None]:
    """Tell of {{ word }}."""


@byzer_lab.prompt()
def typed(word: str) -> Answer:
    """Tell of {{ word }}."""


def test_a_conversation_goes_before_the_prompt() -> None:
    llm = ScriptedLLM("yes")
    turns = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"},
             {"role": "assistant", "content": "A"}]  # fmt: skip
    before = [dict(turn) for turn in turns]
    assert tell.with_llm(llm).with_conversation(turns)("x") == "yes"
    assert contents(llm.requests[0]) == ["S", "U", "A", "Tell of x."]
    assert turns == before
    assert tell.with_llm(llm)("x") == "yes"
    assert contents(llm.requests[1]) == ["Tell of x."]  # nothing was kept


def test_an_answer_is_asked_for_until_its_end_has_come() -> None:
    llm = ScriptedLLM("Well: <RESPONSE>one ", "two ", "three</RESPONSE> bye")
    function = tell.with_llm(llm).with_response_markers()
    assert function("x") == "one two three"
    assert "<RESPONSE>" in contents(llm.requests[0])[0]
    *_, last = contents(llm.requests[2])
    assert "Go on exactly where you stopped" in last
    assert contents(llm.requests[2])[-2] == "Well: <RESPONSE>one two "
    assert len(llm.requests) == 3
    whole = function.with_llm(ScriptedLLM("<RESPONSE>one</RESPONSE>"))
    assert whole.with_auto_remove_response_markers(False)("x") == "<RESPONSE>one</RESPONSE>"


def test_markers_of_ones_own_and_an_end_of_patience() -> None:
    llm = ScriptedLLM("on and on ")
    function = (
        tell.with_llm(llm)
        .with_response_markers(["<a>", "</a>"], template="Between {start} and {end}.")
        .with_max_turns(3)
        .with_continue_prompt("more")
    )
    assert function("x") == "on and on on and on on and on "
    assert contents(llm.requests[0]) == ["Tell of x.\n\nBetween <a> and </a>."]
    assert contents(llm.requests[2])[-1] == "more"
    assert len(llm.requests) == 3


def test_stops_are_added_to_those_of_the_options() -> None:
    llm = ScriptedLLM("yes")
    function = tell.with_llm(llm).options(llm_config={"stop": ["."]}).with_stop_suffix_list(["!"])
    function("x")
    assert llm.requests[0].sampling.stop == [".", "!"]


def test_an_answer_begins_with_a_prefix() -> None:
    llm = ScriptedLLM(" world", support_chat_template=True)
    asked: list[Any] = []

    def apply(name: str, request: Any, pin: Any) -> Any:
        asked.append(request)
        return byzer_lab.types.TemplateAnswer("<user>Tell of x.<assistant>")

    llm._fake.data_plane.apply_chat_template = apply
    function = tell.with_llm(llm).with_return_prefix("Hello")
    assert function("x") == "Hello world"
    assert llm.requests[0].prompt == "<user>Tell of x.<assistant>Hello"
    assert asked[0].messages[0].content == "Tell of x."
    pieces = list(stream.with_llm(llm).with_return_prefix("Hello")("x"))
    assert pieces[0] == "Hello"
    assert "".join(pieces) == "Hello world"

    async def ask() -> list[str]:
        return [one async for one in stream_later.with_llm(llm).with_return_prefix("Hello")("x")]

    assert "".join(asyncio.run(ask())) == "Hello world"
    llm.setup_template("scripted", Templates.default())
    assert function("x") == "Hello world"
    assert llm.requests[-1].prompt == "User:Tell of x.\nAssistant:Hello"
    with pytest.raises(InvalidRequestError, match="has no chat template"):
        function.with_llm(ScriptedLLM("x"))("x")


def test_a_holder_is_told_of_the_answer() -> None:
    holder = MetaHolder()
    assert (holder.get_meta(), holder.get_meta_model()) == ({}, None)
    llm = ScriptedLLM('{"text": "x"}')
    for function in (tell, typed):
        function.with_llm(llm).with_meta(holder)("x")
        assert holder.get_meta()["model"] == "scripted"
        assert holder.get_meta_model().input_tokens_count == 1  # type: ignore[union-attr]
        holder.meta = None
    list(stream.with_llm(llm).with_meta(holder)("x"))
    assert holder.get_meta()["finish_reason"] == "stop"


def test_what_is_made_of_the_text() -> None:
    llm = ScriptedLLM("<RESPONSE>12</RESPONSE>")
    function = tell.with_llm(llm).with_response_markers().with_extractor(int)
    assert function("x") == 12
    assert function.reset()("x") == "<RESPONSE>12</RESPONSE>"


def test_the_arguments_of_a_clients_decorator() -> None:
    llm, holder = ScriptedLLM("<a>yes</a>"), MetaHolder()

    @llm.prompt(
        return_origin_response=True,
        marker=["<a>", "</a>"],
        meta_holder=holder,
        conversation=[{"role": "user", "content": "U"}],
    )
    def ask(word: str) -> str:
        """{{ word }}"""

    answer = ask("x")
    assert isinstance(answer, LLMResponse)
    assert answer.output == "yes"
    assert holder.get_meta()["turns"] == 1
    assert contents(llm.requests[0])[0] == "U"


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        (lambda: typed.with_extractor(int), "with_extractor is for .* returns Answer"),
        (lambda: stream.with_response_markers(), "with_response_markers is for .* a generator"),
        (lambda: typed.with_return_prefix("a"), "with_return_prefix is for answers of text"),
        (lambda: tell.with_response_markers(["a"]), "must be two texts"),
        (lambda: tell.with_max_turns(0), "max_turns is 0"),
        (lambda: tell.with_conversation(cast(Any, "no")), "must be a list of messages"),
        (lambda: tell.with_meta(cast(Any, {})), "takes a MetaHolder"),
        (lambda: tell.with_extractor(cast(Any, 3)), "must be a function"),
        (lambda: tell.with_return_prefix(""), "must be a text"),
        (lambda: tell.with_stop_suffix_list(cast(Any, [1])), "must be a text"),
        (lambda: tell.with_continue_prompt(cast(Any, 1)), "must be a text"),
    ],
)
def test_mistakes_are_one_sentence(function: Any, sentence: str) -> None:
    llm = ScriptedLLM("x")

    def ask() -> None:
        function().with_llm(llm)("x")

    with pytest.raises(InvalidRequestError, match=sentence):
        ask()
    assert not llm.requests
