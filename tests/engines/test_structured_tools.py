"""Calls of tools: pieces of calls, text beside them, and what a request may choose."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from byzer_lab.engines.structured.calls import HERMES, LLAMA, MISTRAL, CallFormat, call_format
from byzer_lab.engines.structured.reading import CallReader
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest, Message, Tool, ToolCall
from tests.engines.conftest import ask

RANGE = Tool(
    "compute_date_range",
    "Compute a date range.",
    {
        "type": "object",
        "properties": {
            "count": {"type": "integer"},
            "unit": {"type": "string", "enum": ["day", "week", "month", "year"]},
        },
        "required": ["count", "unit"],
    },
)
NOW = Tool("compute_now", "Compute the current time.", {"type": "object", "properties": {}})
TOOLS = [RANGE, NOW]
Calls = list[tuple[str, dict[str, Any]]]


async def calls_of(engine: Any, request: GenerateRequest) -> tuple[str, Calls, str | None]:
    """Text, calls and how the answer ended; each call's name and id come with its first piece."""
    text, heads, arguments = "", dict[int, tuple[str, str]](), dict[int, str]()
    finish = None
    async for chunk in engine.generate(request):
        text += chunk.text
        for piece in chunk.tool_calls:
            if piece.index not in heads:
                assert piece.id.startswith("call_")
                heads[piece.index] = piece.id, piece.name
            else:
                assert not piece.id
                assert not piece.name
            arguments[piece.index] = arguments.get(piece.index, "") + piece.arguments
        finish = chunk.finish_reason
    assert len({one for one, _ in heads.values()}) == len(heads)
    calls = [(name, json.loads(arguments[index])) for index, (_, name) in heads.items()]
    return text, calls, finish


def calling(words: str | list[Message], **more: Any) -> GenerateRequest:
    """A request with tools."""
    messages = [Message("user", words)] if isinstance(words, str) else words
    sampling = {"temperature": 0, "max_tokens": 200, **more.pop("sampling", {})}
    request = ask(messages, **sampling)
    request.tools = more.pop("tools", TOOLS)
    for name, value in more.items():
        setattr(request, name, value)
    return request


@pytest.fixture(params=["bundled_transformers", "bundled_llama_cpp"])
def engine(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    ("words", "call"),
    [
        ("最近三个月趋势", ("compute_date_range", {"count": 3, "unit": "month"})),
        ("最近三天", ("compute_date_range", {"count": 3, "unit": "day"})),
        ("计算当前时间", ("compute_now", {})),
        ("What time is it?", ("compute_now", {})),
    ],
)
async def test_the_documentations_conversations(engine: Any, words: str, call: Any) -> None:
    assert await calls_of(engine, calling(words)) == ("", [call], "tool_calls")


async def test_prose_where_no_tool_fits(engine: Any) -> None:
    text, calls, finish = await calls_of(engine, calling("你吃饭了么？"))
    assert "人工智能" in text
    assert (calls, finish) == ([], "stop")


async def test_a_result_becomes_a_sentence(engine: Any) -> None:
    turns = [
        Message("user", "最近三个月趋势"),
        Message(
            "assistant",
            tool_calls=[ToolCall("c1", "compute_date_range", '{"count": 3, "unit": "month"}')],
        ),
        Message("tool", '["2024-01-01", "2024-04-01"]', tool_call_id="c1"),
    ]
    text, calls, finish = await calls_of(engine, calling(turns))
    assert "2024-01-01" in text
    assert "2024-04-01" in text
    assert (calls, finish) == ([], "stop")


async def test_what_a_request_chooses(engine: Any) -> None:
    words = "Have you eaten?"
    _, calls, finish = await calls_of(engine, calling(words, tool_choice="required"))
    assert len(calls) >= 1
    assert finish == "tool_calls"
    named = await calls_of(engine, calling(words, tool_choice="compute_now"))
    assert named == ("", [("compute_now", {})], "tool_calls")
    for words in ("计算当前时间", "最近三个月趋势"):
        text, calls, finish = await calls_of(engine, calling(words, tool_choice="none"))
        assert text
        assert "<tool_call>" not in text
        assert (calls, finish) == ([], "stop")


async def test_arguments_fit_their_schema_at_any_temperature(engine: Any) -> None:
    place = {"type": "object", "properties": {"zip": {"type": "string", "pattern": "^[0-9]{5}$"}}}
    place["required"] = ["zip"]
    tool = Tool(
        "send",
        "Send it.",
        {
            "properties": {"to": {"$ref": "#/$defs/place"}, "urgent": {"type": "boolean"}},
            "required": ["to", "urgent"],
            "$defs": {"place": place},
        },
    )
    requests = [
        calling(
            "hello",
            tools=[tool, NOW],
            tool_choice="required",
            parallel_tool_calls=False,
            sampling={"temperature": 1.5, "seed": seed},
        )
        for seed in range(16)
    ]
    answers = await asyncio.gather(*(calls_of(engine, one) for one in requests))
    for text, calls, finish in answers:
        ((name, arguments),) = calls
        assert (text, finish) == ("", "tool_calls")
        if name == "send":
            assert arguments["to"]["zip"].isdigit()
            assert isinstance(arguments["urgent"], bool)
        else:
            assert arguments == {}
    assert {calls[0][0] for _, calls, _ in answers} == {"send", "compute_now"}


async def test_several_calls_in_one_answer(bundled_transformers: TransformersEngine) -> None:
    structure = bundled_transformers._structured()
    loaded, _ = bundled_transformers._ready()
    call = '<tool_call>\n{"name": "compute_now", "arguments": {}}\n</tool_call>'
    for text, parallel, fits in [
        (f"{call}\n{call}\n{call}", True, True),
        (f"Two:\n{call}\n{call}", True, True),
        (call, False, True),
        (f"{call}\n{call}", False, False),
        (f"{call} and more", True, False),
        (call.replace("{}", '{"x": 1}'), True, False),
        ("Only text, with <tool_ and {} in it", True, True),
    ]:
        request = calling("hello", parallel_tool_calls=parallel)
        constraint = await structure.constraint(request)
        assert constraint is not None
        tokens = loaded.tokenizer.encode(text)
        taken = constraint.matcher.try_consume_tokens(tokens)
        assert (taken == len(tokens)) is fits, text
        assert not fits or constraint.matcher.is_accepting()
        if fits:
            answer = structure.answer(request, constraint)
            shown = answer.feed(tokens)
            pieces = answer.take_calls()
            assert sum(bool(piece.name) for piece in pieces) == text.count("<tool_call>")
            assert "tool_call>" not in shown + answer.flush(cut_short=False)


async def test_a_schema_beside_tools_holds_what_is_no_call(engine: Any) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    _, calls, finish = await calls_of(engine, calling("计算当前时间", response_schema=schema))
    assert (calls, finish) == ([("compute_now", {})], "tool_calls")
    requests = [
        calling("hello", response_schema=schema, sampling={"temperature": 1.8, "seed": seed})
        for seed in range(12)
    ]
    for text, calls, finish in await asyncio.gather(*(calls_of(engine, one) for one in requests)):
        if calls:
            assert (text, finish) == ("", "tool_calls")
        else:
            assert isinstance(json.loads(text)["ok"], bool)
            assert finish == "stop"


async def test_wrong_requests_are_refused(engine: Any) -> None:
    bad = Tool("bad", "", {"properties": {"x": {"type": "array", "uniqueItems": True}}})
    cases = [
        (calling("hi", tools=[NOW, NOW]), "Two tools are named 'compute_now'"),
        (calling("hi", tools=[Tool("a b")]), "can't be named 'a b'"),
        (calling("hi", tools=[Tool("auto")]), "can't be named 'auto'"),
        (calling("hi", tool_choice="missing"), "compute_date_range, compute_now"),
        (calling("hi", tools=[], tool_choice="required"), "has no tools"),
        (calling("hi", tools=[bad]), "tools/bad/properties/x/uniqueItems"),
        (calling("hi", messages=None, prompt="hi"), "Tools need messages"),
        (
            calling([Message("assistant", tool_calls=[ToolCall("1", "x", "[1]")])]),
            "must be a JSON object",
        ),
    ]
    for request, words in cases:
        with pytest.raises(InvalidRequestError, match=words):
            await calls_of(engine, request)


async def test_a_template_without_tools(llama: TransformersEngine) -> None:
    assert llama.meta()["support_tools"] is False
    with pytest.raises(InvalidRequestError, match="no place for tools"):
        await calls_of(llama, calling("hi"))
    turns = [Message("assistant", tool_calls=[ToolCall("1", "compute_now", "{}")])]
    with pytest.raises(InvalidRequestError, match="calls of tools"):
        await calls_of(llama, ask(turns, max_tokens=5))


def test_meta_says_it(engine: Any) -> None:
    assert engine.meta()["support_tools"] is True


# The texts of calls, in any pieces.


def read(calls: CallFormat, text: str, step: int, *, anywhere: bool) -> tuple[str, Calls]:
    reader = CallReader(calls, anywhere=anywhere)
    shown, names, arguments = "", list[str](), list[str]()
    for start in range(0, len(text), step):
        new, pieces = reader.feed(text[start : start + step])
        shown += new
        for piece in pieces:
            if piece.name:
                names.append(piece.name)
                arguments.append("")
            arguments[piece.index] += piece.arguments
    shown += reader.flush()
    assert reader.count == len(names)
    return shown, [(name, json.loads(one)) for name, one in zip(names, arguments, strict=True)]


TRICKY = {"a": '}\n</tool_call>"{[', "b": [{"c": "\\"}], "größe": {}}
WRITTEN = json.dumps(TRICKY, ensure_ascii=False)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1000])
def test_calls_are_read_in_any_pieces(step: int) -> None:
    one = f'<tool_call>\n{{"name": "f", "arguments": {WRITTEN}}}\n</tool_call>'
    two = '<tool_call>\n{"name": "g", "arguments": {}}\n</tool_call>'
    both: Calls = [("f", TRICKY), ("g", {})]
    assert read(HERMES, f"Well, <tool\n {one}\n{two}", step, anywhere=True) == ("Well, <tool", both)
    assert read(HERMES, f"{one}\n{two}", step, anywhere=False) == ("", both)
    assert read(HERMES, "a <tool_cal  ", step, anywhere=True) == ("a <tool_cal  ", [])
    text = '{"x": "<tool_call>\\n"}'
    assert read(HERMES, text, step, anywhere=False) == (text, [])
    call = f'{{"name": "f", "parameters": {WRITTEN}}}'
    assert read(LLAMA, call, step, anywhere=False) == ("", [("f", TRICKY)])
    assert read(LLAMA, "{no call}", step, anywhere=False) == ("{no call}", [])
    call = f"[TOOL_CALLS]f[ARGS]{WRITTEN}[TOOL_CALLS]g[ARGS]{{}}"
    assert read(MISTRAL, f"Yes. {call}", step, anywhere=True) == ("Yes.", both)
    listed = call_format("{{ tools }}[TOOL_CALLS] [")
    assert listed is not None
    parts = f'{{"name": "f", "arguments": {WRITTEN}}}, {{"name": "g", "arguments": {{}}}}'
    assert read(listed, f"[TOOL_CALLS] [{parts}]", step, anywhere=True) == ("", both)


def test_the_format_is_found_in_the_template() -> None:
    assert call_format("{{ messages }}") is None
    assert call_format("{% if tools %}<tool_call>{% endif %}") is HERMES
    assert call_format("{% if tools %}something else{% endif %}") is HERMES
    assert call_format('{{ tools }} {"name": x, "parameters": y} ipython') is LLAMA
    assert call_format("{{ tools }} [TOOL_CALLS] [ARGS]") is MISTRAL
