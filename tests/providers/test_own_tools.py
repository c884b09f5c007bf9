"""Tools and schemas in the wire formats of Anthropic, Google, Amazon and iFlytek."""

from __future__ import annotations

import json
from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest, Message, ToolCall
from tests.providers.calls import ASKED, NOW, STORY, TREE, called, with_schema, with_tools
from tests.providers.dialects import (
    DIALECTS,
    bedrock_event,
    bedrock_frames,
    bedrock_reply,
    claude_events,
    gemini_events,
    gemini_piece,
    named_events,
)
from tests.providers.test_sparkdesk import asked as spark
from tests.providers.wire import asked, chunks, engine, text
from tests.support.scripted_http import Reply
from tests.support.spark_server import Script, frame

BAD_TURN = Message("assistant", tool_calls=[ToolCall("a", "now", "[1")])
SHAPED = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "pages": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "kind": {"$ref": "#/$defs/Kind"},
    },
    "required": ["title"],
    "additionalProperties": False,
    "$defs": {"Kind": {"enum": ["tale", "report"], "type": "string"}},
}
"""The story's schema as Anthropic's models take it."""

# -- Anthropic ------------------------------------------------------------------------------


def claude(model: str = "claude-sonnet-4-6") -> Any:
    return asked("saas/claude", path="", saas__model=model)


def claude_calls(*calls: tuple[str, str, list[str]], said: str = "Well.") -> Reply:
    """An answer with calls, as docs.anthropic.com/en/docs/build-with-claude/streaming shows it."""
    events = claude_events(said, stop="tool_use") if said else claude_events(stop="tool_use")
    ends = events[-2:]
    middle: list[dict[str, Any]] = []
    for place, (identity, name, pieces) in enumerate(calls, 1):
        block = {"type": "tool_use", "id": identity, "name": name, "input": {}}
        middle.append({"type": "content_block_start", "index": place, "content_block": block})
        for piece in ["", *pieces]:
            delta = {"type": "input_json_delta", "partial_json": piece}
            middle.append({"type": "content_block_delta", "index": place, "delta": delta})
        middle.append({"type": "content_block_stop", "index": place})
    return named_events(*events[:-2], *middle, *ends)


async def test_claude_is_sent_tools_and_results() -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events("No.")))
        await chunks(made, with_tools(messages=ASKED))
        body = server.only.json
        assert body["tools"] == [
            {
                "name": "get_weather",
                "description": "Weather of a place.",
                "input_schema": {
                    "type": "object",
                    "properties": {"location": {"type": "string", "description": "Where."}},
                    "required": ["location"],
                },
            },
            {
                "name": "now",
                "description": "The time.",
                "input_schema": {"type": "object", "properties": {}},
            },
        ]
        assert "tool_choice" not in body
        weather = {"name": "get_weather", "input": {"location": "Paris"}}
        assert body["messages"] == [
            {"role": "user", "content": "Weather in Paris, and the time?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "tool_use", "id": "call_1", **weather},
                    {"type": "tool_use", "id": "call_2", "name": "now", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"},
                    {"type": "tool_result", "tool_use_id": "call_2", "content": '{"hour": 12}'},
                ],
            },
            {"role": "user", "content": "Thanks."},
        ]


@pytest.mark.parametrize(
    ("choice", "parallel", "sent"),
    [
        ("none", False, {"type": "none"}),
        ("required", True, {"type": "any"}),
        ("now", True, {"type": "tool", "name": "now"}),
        ("auto", False, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
async def test_claude_is_told_which_tool(choice: str, parallel: bool, sent: Any) -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events("No.")))
        await chunks(made, with_tools(tool_choice=choice, parallel_tool_calls=parallel))
        assert server.only.json["tool_choice"] == sent


async def test_claude_calls() -> None:
    async with claude() as (made, server):
        weather = ("toolu_1", "get_weather", ['{"location":', ' "San Francisc', 'o, CA"}'])
        server.script(claude_calls(weather, ("toolu_2", "now", [])))
        got = await chunks(made, with_tools())
        assert "".join(chunk.text for chunk in got) == "Well."
        assert called(got) == [
            ("toolu_1", "get_weather", '{"location": "San Francisco, CA"}'),
            ("toolu_2", "now", "{}"),
        ]
        assert got[-1].finish_reason == "tool_calls"
        assert got[-1].usage.output_tokens == 15


async def test_claude_gets_its_thoughts_back_with_its_calls() -> None:
    """https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking"""
    thought = {"type": "thinking", "thinking": "Rome? No.", "signature": "EqQB"}
    hidden = {"type": "redacted_thinking", "data": "EmwK"}
    begun = {"type": "thinking", "thinking": "", "signature": ""}
    deltas = [
        {"type": "thinking_delta", "thinking": "Rome? "},
        {"type": "thinking_delta", "thinking": "No."},
        {"type": "signature_delta", "signature": "EqQB"},
    ]
    call = {"type": "tool_use", "id": "toolu_1", "name": "now", "input": {}}
    searching = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {}}
    search = {"type": "input_json_delta", "partial_json": "{}"}
    events = claude_events(stop="tool_use")
    middle = [
        {"type": "content_block_start", "index": 0, "content_block": begun},
        *({"type": "content_block_delta", "index": 0, "delta": delta} for delta in deltas),
        {"type": "content_block_start", "index": 1, "content_block": hidden},
        {"type": "content_block_start", "index": 2, "content_block": searching},
        {"type": "content_block_delta", "index": 2, "delta": search},
        {"type": "content_block_start", "index": 3, "content_block": call},
    ]
    async with claude() as (made, server):
        server.script(
            named_events(events[0], *middle, *events[-2:]), named_events(*claude_events("12."))
        )
        got = await chunks(made, with_tools())
        assert "".join(chunk.reasoning for chunk in got) == "Rome? No."
        assert called(got) == [("toolu_1", "now", "{}")]
        turns = [
            Message("user", "Time?"),
            Message("assistant", tool_calls=[ToolCall("toolu_1", "now", "{}")]),
            Message("tool", "12", tool_call_id="toolu_1"),
        ]
        await chunks(made, with_tools(messages=turns))
        assert server.seen[1].json["messages"][1]["content"] == [thought, hidden, call]


async def test_claude_answers_in_a_form() -> None:
    async with claude() as (made, server):
        server.script(named_events(*claude_events('{"title"', ': "x"}')))
        assert await text(made, with_schema(STORY)) == '{"title": "x"}'
        form = {"type": "json_schema", "schema": SHAPED}
        assert server.only.json["output_config"] == {"format": form}
        with pytest.raises(InvalidRequestError, match="don't contain themselves"):
            await chunks(made, with_schema(TREE))


async def test_an_older_claude_answers_by_a_tool() -> None:
    async with claude("claude-3-haiku-20240307") as (made, server):
        answer = ("toolu_1", "answer", ['{"title"', ': "x"}'])
        server.script(claude_calls(answer, said=""))
        got = await chunks(made, with_schema(TREE))
        assert "".join(chunk.text for chunk in got) == '{"title": "x"}'
        assert called(got) == []
        assert got[-1].finish_reason == "stop"
        body = server.only.json
        assert body["tools"][0]["input_schema"] == TREE
        assert body["tool_choice"] == {
            "type": "tool",
            "name": "answer",
            "disable_parallel_tool_use": True,
        }


# -- Google ---------------------------------------------------------------------------------


def gemini(**params: Any) -> Any:
    return asked("saas/gemini", path="/v1beta", **{"saas__model": "gemini-2.5-flash", **params})


def gemini_call(finish: str, *calls: dict[str, Any], signature: str = "") -> dict[str, Any]:
    piece = gemini_piece(finish=finish)
    parts: list[dict[str, Any]] = [{"functionCall": call} for call in calls]
    if signature:
        parts[0]["thoughtSignature"] = signature
    piece["candidates"][0]["content"]["parts"] = parts
    return piece


async def test_gemini_is_sent_tools_and_results() -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(gemini_piece("No.", "STOP")))
        await chunks(made, with_tools(messages=ASKED))
        body = server.only.json
        assert body["tools"] == [
            {
                "functionDeclarations": [
                    {
                        "name": "get_weather",
                        "description": "Weather of a place.",
                        "parametersJsonSchema": {
                            "type": "object",
                            "properties": {"location": {"type": "string", "description": "Where."}},
                            "required": ["location"],
                        },
                    },
                    {"name": "now", "description": "The time."},
                ]
            }
        ]
        assert "toolConfig" not in body
        assert body["contents"][1:] == [
            {
                "role": "model",
                "parts": [
                    {
                        "functionCall": {"name": "get_weather", "args": {"location": "Paris"}},
                        "thoughtSignature": "skip_thought_signature_validator",
                    },
                    {"functionCall": {"name": "now", "args": {}}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "get_weather", "response": {"result": "sunny"}}},
                    {"functionResponse": {"name": "now", "response": {"hour": 12}}},
                ],
            },
            {"role": "user", "parts": [{"text": "Thanks."}]},
        ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("now", {"mode": "ANY", "allowedFunctionNames": ["now"]}),
    ],
)
async def test_gemini_is_told_which_tool(choice: str, sent: Any) -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(gemini_piece("No.", "STOP")))
        await chunks(made, with_tools(tool_choice=choice))
        assert server.only.json["toolConfig"] == {"functionCallingConfig": sent}


async def test_gemini_calls_and_gets_its_signatures_back() -> None:
    """https://ai.google.dev/gemini-api/docs/thought-signatures"""
    async with gemini() as (made, server):
        weather = {"name": "get_weather", "args": {"location": "東京"}, "id": "g1"}
        server.script(
            gemini_events(
                gemini_call("", weather, {"name": "now"}, signature="c2ln"),
                gemini_piece(finish="STOP"),
            ),
            gemini_events(gemini_piece("Sunny.", "STOP")),
        )
        got = await chunks(made, with_tools())
        calls = called(got)
        assert [call[1:] for call in calls] == [
            ("get_weather", '{"location": "東京"}'),
            ("now", "{}"),
        ]
        assert calls[0][0] == "g1"
        assert got[-1].finish_reason == "tool_calls"
        turns = [
            Message("user", "Weather?"),
            Message("assistant", tool_calls=[ToolCall(*call) for call in calls]),
            Message("tool", "[1]", tool_call_id="g1"),
            Message("tool", "12", tool_call_id=calls[1][0]),
        ]
        await chunks(made, with_tools(messages=turns))
        sent = server.seen[1].json["contents"]
        assert sent[1]["parts"] == [
            {"functionCall": weather, "thoughtSignature": "c2ln"},
            {"functionCall": {"name": "now", "args": {}}},
        ]
        assert sent[2]["parts"] == [
            {
                "functionResponse": {
                    "name": "get_weather",
                    "response": {"result": [1]},
                    "id": "g1",
                }
            },
            {"functionResponse": {"name": "now", "response": {"result": 12}}},
        ]


async def test_gemini_is_held_to_one_call() -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(gemini_call("STOP", {"name": "now"}, {"name": "get_weather"})))
        got = await chunks(made, with_tools(parallel_tool_calls=False))
        assert [call[1:] for call in called(got)] == [("now", "{}")]


async def test_gemini_answers_in_a_form() -> None:
    async with gemini() as (made, server):
        server.script(gemini_events(gemini_piece("{}", "STOP")))
        assert await text(made, with_schema(STORY)) == "{}"
        config = server.only.json["generationConfig"]
        assert config["responseMimeType"] == "application/json"
        kind = config["responseJsonSchema"]["properties"].pop("kind")
        assert kind == {"$ref": "#/$defs/Kind"}  # nothing may stand beside it
        rest = {name: value for name, value in STORY["properties"].items() if name != "kind"}
        assert config["responseJsonSchema"] == {**STORY, "properties": rest}
    async with gemini(saas__model="gemini-2.0-flash") as (made, server):
        server.script(gemini_events(gemini_piece("{}", "STOP")))
        await chunks(made, with_schema(STORY))
        config = server.only.json["generationConfig"]
        assert config == {"responseMimeType": "application/json"}


# -- AWS ------------------------------------------------------------------------------------


def bedrock(model: str = "anthropic.claude-3-haiku-20240307-v1:0") -> Any:
    params = {**DIALECTS["bedrock"].params, "saas__model": model}
    return asked("saas/aws_bedrock", path="", **params)


def bedrock_calls(*calls: tuple[str, str, list[str]]) -> Reply:
    """An answer with calls, as ConverseStream has it."""
    frames = bedrock_frames("Well.", stop="tool_use")
    middle = []
    for place, (identity, name, pieces) in enumerate(calls, 1):
        start = {"toolUse": {"toolUseId": identity, "name": name}}
        middle.append(
            bedrock_event("contentBlockStart", {"contentBlockIndex": place, "start": start})
        )
        for piece in pieces:
            delta = {"toolUse": {"input": piece}}
            middle.append(
                bedrock_event("contentBlockDelta", {"contentBlockIndex": place, "delta": delta})
            )
        middle.append(bedrock_event("contentBlockStop", {"contentBlockIndex": place}))
    return bedrock_reply(*frames[:3], *middle, *frames[3:])


async def test_bedrock_is_sent_tools_and_results() -> None:
    async with bedrock() as (made, server):
        server.script(bedrock_reply(*bedrock_frames("No.")))
        await chunks(made, with_tools(NOW, messages=ASKED, tool_choice="required"))
        body = server.only.json
        empty = {"json": {"type": "object", "properties": {}}}
        spec = {"name": "now", "description": "The time.", "inputSchema": empty}
        assert body["toolConfig"] == {"tools": [{"toolSpec": spec}], "toolChoice": {"any": {}}}
        weather = {"name": "get_weather", "input": {"location": "Paris"}}
        assert body["messages"][1:3] == [
            {
                "role": "assistant",
                "content": [
                    {"toolUse": {"toolUseId": "call_1", **weather}},
                    {"toolUse": {"toolUseId": "call_2", "name": "now", "input": {}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "call_1", "content": [{"text": "sunny"}]}},
                    {"toolResult": {"toolUseId": "call_2", "content": [{"text": '{"hour": 12}'}]}},
                ],
            },
        ]


async def test_bedrock_has_no_none() -> None:
    """Calls without their tools are refused there, so they are told as texts."""
    async with bedrock() as (made, server):
        server.script(bedrock_reply(*bedrock_frames("No.")))
        await chunks(made, with_tools(messages=ASKED, tool_choice="none"))
        body = server.only.json
        assert "toolConfig" not in body
        assert body["messages"][2]["content"] == [{"text": "sunny"}]
        said = json.loads(body["messages"][1]["content"][0]["text"])
        assert [call["name"] for call in said["tool_calls"]] == ["get_weather", "now"]


async def test_bedrock_calls() -> None:
    async with bedrock() as (made, server):
        server.script(
            bedrock_calls(("t1", "get_weather", ['{"loc', 'ation": 1}']), ("t2", "now", []))
        )
        got = await chunks(made, with_tools())
        assert called(got) == [("t1", "get_weather", '{"location": 1}'), ("t2", "now", "{}")]
        assert got[-1].finish_reason == "tool_calls"


async def test_bedrock_answers_in_a_form() -> None:
    async with bedrock() as (made, server):
        server.script(bedrock_calls(("t1", "answer", ['{"title"', ': "x"}'])))
        got = await chunks(made, with_schema(STORY))
        assert "".join(chunk.text for chunk in got) == 'Well.{"title": "x"}'
        assert server.only.json["toolConfig"]["toolChoice"] == {"tool": {"name": "answer"}}
    async with bedrock("us.anthropic.claude-sonnet-4-5-20250929-v1:0") as (made, server):
        server.script(bedrock_reply(*bedrock_frames("{}")))
        await chunks(made, with_schema(STORY))
        form = server.only.json["outputConfig"]["textFormat"]
        assert form["type"] == "json_schema"
        assert json.loads(form["structure"]["jsonSchema"]["schema"]) == SHAPED


# -- iFlytek --------------------------------------------------------------------------------


async def test_spark_is_sent_functions_and_calls_one() -> None:
    """https://www.xfyun.cn/doc/spark/Web.html, Function Call."""
    async with spark() as (made, server):
        call = {"name": "get_weather", "arguments": '{"location": "合肥"}'}
        server.script(Script([frame("", 2, content_type="text", function_call=call)]))
        got = await chunks(made, with_tools(messages=ASKED))
        assert [found[1:] for found in called(got)] == [("get_weather", call["arguments"])]
        assert got[-1].finish_reason == "tool_calls"
        payload = server.questions[0]["payload"]
        assert [one["name"] for one in payload["functions"]["text"]] == ["get_weather", "now"]
        assert [one["role"] for one in payload["message"]["text"]] == [
            "user",
            "assistant",
            "user",
            "user",
            "user",
        ]


# -- all of them ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", [claude, gemini, bedrock])
async def test_arguments_that_are_no_object(make: Any) -> None:
    async with make() as (made, _):
        with pytest.raises(InvalidRequestError, match=r"now was called with '\[1'"):
            await chunks(made, with_tools(messages=[BAD_TURN]))


@pytest.mark.parametrize("make", [claude, gemini, bedrock])
async def test_a_cut_in_a_call_is_no_call(make: Any) -> None:
    """What came of it is told as a piece; the answer ends with an error."""
    replies = {
        claude: claude_calls(("t1", "now", ['{"a":'])),
        gemini: gemini_events(gemini_call("", {"name": "now"})),
        bedrock: bedrock_calls(("t1", "now", ['{"a":'])),
    }
    reply = replies[make]
    reply.pieces = reply.pieces[: -3 if make is not gemini else None]
    async with make() as (made, server):
        server.script(reply)
        with pytest.raises(Exception, match="broke its answer off"):
            await chunks(made, with_tools())


@pytest.mark.parametrize(
    ("kind", "params", "structured", "tools"),
    [
        ("saas/claude", {"saas__model": "claude-sonnet-4-5"}, "json_schema", True),
        ("saas/claude", {"saas__model": "claude-opus-4-1-20250805"}, "tool", True),
        ("saas/gemini", {"saas__model": "gemini-2.5-pro"}, "json_schema", True),
        ("saas/gemini", {"saas__model": "gemini-1.5-pro"}, "json_object", True),
        (
            "saas/minimax",
            {"saas__model": "abab5.5-chat", "saas__api_url": "http://x/v1/text/chatcompletion_pro"},
            None,
            False,
        ),
        ("saas/azure", {"saas__service_region": "eastus"}, None, False),
    ],
)
def test_what_is_known_of_models(
    kind: str, params: dict[str, Any], structured: str | None, tools: bool
) -> None:
    meta = engine(kind, saas__api_key="k", **params).meta()
    assert (meta.get("structured_output"), meta["support_tools"]) == (structured, tools)


async def test_what_speaks_refuses_tools() -> None:
    dialect = DIALECTS["volcengine"]
    async with asked(dialect.kind, path="", **dialect.params) as (made, _):
        for request in (with_tools(), with_schema(STORY)):
            with pytest.raises(InvalidRequestError):
                await chunks(made, request)


async def test_llama_has_no_tools() -> None:
    async with bedrock("meta.llama2-70b-chat-v1") as (made, _):
        with pytest.raises(InvalidRequestError, match="can't give tools to meta.llama2"):
            await chunks(made, with_tools())
        with pytest.raises(InvalidRequestError, match="leave those turns out"):
            await chunks(made, GenerateRequest("r", ASKED))
