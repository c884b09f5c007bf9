"""Streams of answers that call tools, and of objects that are asked for again."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Generator
from typing import Annotated, Any

import pydantic
import pytest

from byzer_lab.errors import InvalidRequestError
from tests.support.scripted_model import ScriptedLLM, calls, contents, end, pieces

TOLD = json.dumps({"tool_calls": [{"name": "add", "arguments": {"a": 1, "b": 2}}]})


class Story(pydantic.BaseModel):
    title: str


def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


def streamed(llm: ScriptedLLM, **arguments: Any) -> list[Any]:
    """The items, the same with and without asyncio."""
    arguments = {"tools": [add], "delta_mode": True, **arguments}
    items = list(llm.stream_chat_oai("q", **arguments))

    async def ask() -> list[Any]:
        return [item async for item in llm.async_stream_chat_oai("q", **arguments)]

    again = asyncio.run(ask())
    assert [item[0] for item in again] == [item[0] for item in items]
    assert len(again[-1][1].tool_calls) == len(items[-1][1].tool_calls)
    assert again[-1][1].metadata.get("values") == items[-1][1].metadata.get("values")
    return items


def test_text_and_pieces_of_calls() -> None:
    said = calls(("add", {"a": 1}), ("add", {"a": 2}), text="I add. ")
    items = streamed(ScriptedLLM(said, support_tools=True))
    assert "".join(text for text, _ in items) == "I add. "
    found = [piece for _, meta in items for piece in meta.tool_call_pieces]
    assert [piece["index"] for piece in found] == [0, 0, 1, 1]
    assert "".join(piece["arguments"] for piece in found[:2]) == '{"a": 1}'
    assert (found[0]["name"], found[1]["name"]) == ("add", "")
    half = next(meta for _, meta in items if meta.tool_calls)
    assert half.tool_calls[0]["name"] == "add"
    assert items[-1][1].finish_reason == "tool_calls"
    assert [call["arguments"] for call in items[-1][1].tool_calls] == ['{"a": 1}', '{"a": 2}']


@pytest.mark.parametrize("native", [True, False])
def test_the_calls_of_a_stream_are_run(native: bool) -> None:
    said = calls(("add", {"a": 1, "b": 2})) if native else TOLD
    llm = ScriptedLLM(said, support_tools=native)
    *_, (_, meta) = streamed(llm, execute_tool=True)
    assert meta.metadata["values"] == [3]
    assert meta.metadata["calls"][0]["name"] == "add"
    assert meta.metadata["reason"] == ""
    prose = ScriptedLLM("I don't eat.", support_tools=native)
    *_, (_, meta) = streamed(prose, execute_tool=True)
    assert meta.metadata["values"] == []
    assert bool(llm.requests[0].tools) is native


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (TOLD, ""),
        (f"I add.\n```json\n{TOLD}\n```", "I add.\n"),
        (f"I add.\n<tool_call>{TOLD}</tool_call>", "I add.\n"),
        (f"I add.\n  {TOLD}", "I add.\n"),
    ],
)
def test_calls_in_words_are_no_text(said: str, shown: str) -> None:
    items = streamed(ScriptedLLM(said))
    assert "".join(text for text, _ in items) == shown
    assert items[-1][1].tool_calls[0]["name"] == "add"
    assert items[-1][1].tool_call_pieces[0]["arguments"] == '{"a": 1, "b": 2}'
    whole = list(ScriptedLLM(said).stream_chat_oai("q", tools=[add]))
    assert whole[-1][0] == shown


@pytest.mark.parametrize(
    "said",
    ["I don't eat.", "A list:\n[1, 2]\nand more", "1 < 2 `x` ```py\ncode\n```", "{", "<tool"],
)
def test_prose_comes_whole(said: str) -> None:
    items = streamed(ScriptedLLM(said))
    assert "".join(text for text, _ in items) == said
    assert items[-1][1].tool_calls == []
    if said.startswith("I"):
        assert len(items) > 2  # and flows


def test_a_refused_form_of_the_tools_is_loosened() -> None:
    def narrow(text: str) -> None:
        """Take a text."""

    def refuse(request: Any) -> Any:
        known = "pattern" in json.dumps(request.tools[0].parameters)
        return InvalidRequestError("pattern!") if known else "fine"

    narrow.__annotations__["text"] = Annotated[str, pydantic.Field(pattern="^a$")]
    llm = ScriptedLLM(refuse, support_tools=True)
    items = list(llm.stream_chat_oai("q", tools=[narrow]))
    assert items[-1][0] == "fine"
    assert len(llm.requests) == 2
    refusing = ScriptedLLM(InvalidRequestError("No tools at all."), support_tools=True)
    with pytest.raises(InvalidRequestError, match="No tools at all"):
        list(refusing.stream_chat_oai("q", tools=[add]))


def test_what_does_not_go_together() -> None:
    llm = ScriptedLLM("x")
    for arguments, sentence in (
        ({"tools": [add], "response_class": Story}, "don't go together"),
        ({"execute_tool": True}, "execute_tool is set, but there are no tools"),
        ({"tool_choice": "required"}, "tool_choice is set, but there are no tools"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            list(llm.stream_chat_oai("q", **arguments))  # type: ignore[arg-type]
    assert not llm.requests


# -- objects ------------------------------------------------------------------------------------


def test_an_object_that_does_not_fit_is_asked_for_again() -> None:
    llm = ScriptedLLM('{"title": 3}', '{"title": "T"}', structured_output="json_object")
    items = list(llm.stream_chat_oai("q", response_class=Story))
    assert items[-1][0] == Story(title="T")
    assert items[-1][1].metadata["attempts"] == 2
    assert sum(bool(meta.finish_reason) for _, meta in items) == 1  # one end
    assert "That doesn't fit: title" in contents(llm.requests[1])[-1]
    given_up = ScriptedLLM('{"title": 3}')
    *_, (value, meta) = given_up.stream_chat_oai("q", response_class=Story, max_retries=1)
    assert value is None
    assert meta.metadata["reason"].startswith("No Story in the answer: title")
    assert meta.metadata["attempts"] == len(given_up.requests) == 2


def test_an_object_that_is_cut_off_is_asked_for_with_an_end() -> None:
    llm = ScriptedLLM(
        [*pieces('{"title": "aaaa'), end("length")],
        '{"title": "T"}',
        structured_output="constrained",
    )

    async def ask() -> list[Any]:
        return [one async for one in llm.async_stream_chat_oai("q", response_class=Story)]

    assert asyncio.run(ask())[-1][0] == Story(title="T")
    bounded = llm.requests[1].response_schema
    assert bounded is not None
    assert bounded["properties"]["title"]["maxLength"] == 120


# -- tools that return generators ---------------------------------------------------------------


def test_what_a_generator_yields_is_the_value() -> None:
    def count() -> Generator[int]:
        """Count."""
        yield from range(3)

    async def count_later() -> AsyncGenerator[int]:
        """Count."""
        for number in range(3):
            yield number

    async def made_later() -> Generator[int]:
        """Count."""
        return count()

    def fails() -> Generator[int]:
        """Count."""
        yield 1
        raise ValueError("in the middle")

    tools: list[Any] = [count, count_later, made_later, fails]
    llm = ScriptedLLM(calls(*((one.__name__, {}) for one in tools)), "Done.", support_tools=True)
    [answer] = llm.chat_oai("q", tools=tools, max_tool_rounds=1)
    assert answer.values == [[0, 1, 2]] * 3
    assert "fails raised ValueError: in the middle" in answer.metadata["reason"]
    assert contents(llm.requests[1])[-4] == "[0,1,2]"


def test_a_written_function_may_run_unsafely() -> None:
    llm = ScriptedLLM(
        "```python\ndef f():\n    import os\n    return {'title': str(os.getpid())}\n```"
    )

    def f() -> Story:
        """Tell."""
        raise NotImplementedError

    [answer] = llm.chat_oai(
        "q", impl_func=f, response_class=Story, execute_impl_func=True, unsafe=True
    )
    assert answer.value.title == str(os.getpid())
    with pytest.raises(InvalidRequestError, match="unsafe is set, but there is no impl_func"):
        llm.chat_oai("q", response_class=Story, unsafe=True)
