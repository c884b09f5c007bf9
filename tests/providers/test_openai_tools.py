"""Tools and schemas in OpenAI's wire format, and what of it each provider has."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError, ProviderError
from byzer_lab.types import GenerateRequest, Message, Tool
from tests.providers.calls import ASKED, NOW, STORY, TREE, WEATHER, called, with_schema, with_tools
from tests.providers.wire import DONE, KEY, asked, chunks, delta, engine, text, usage
from tests.support.scripted_http import Reply, answer, events
from tests.support.stand_in import KEY as STAND_IN_KEY
from tests.support.stand_in import StandIn

FUNCTION = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Weather of a place.",
        "parameters": WEATHER.parameters,
    },
}


def piece(index: int | None, arguments: Any = "", **fields: Any) -> dict[str, Any]:
    """A piece of a call."""
    function = {"arguments": arguments}
    if name := fields.pop("name", ""):
        function = {"name": name, **function}
    place = {} if index is None else {"index": index}
    return delta(tool_calls=[{**place, "function": function, **fields}])


def ended(*pieces: Any, finish: str = "tool_calls") -> Reply:
    return events(*pieces, delta(finish=finish), usage(), DONE)


async def test_what_is_sent() -> None:
    async with asked() as (made, server):
        server.script(ended(delta("No.")))
        await chunks(made, with_tools(messages=ASKED))
        body = server.only.json
        assert body["tools"] == [
            FUNCTION,
            {
                "type": "function",
                "function": {
                    "name": "now",
                    "description": "The time.",
                    "parameters": {"type": "object", "properties": {}},
                },
            },
        ]
        assert body.keys() & {"tool_choice", "parallel_tool_calls", "response_format"} == set()
        assert body["messages"] == [
            {"role": "user", "content": "Weather in Paris, and the time?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "call_1",
                        "type": "function",
                        "function": {"name": "get_weather", "arguments": '{"location": "Paris"}'},
                    },
                    {
                        "id": "call_2",
                        "type": "function",
                        "function": {"name": "now", "arguments": "{}"},
                    },
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
            {"role": "tool", "tool_call_id": "call_2", "content": '{"hour": 12}'},
            {"role": "user", "content": "Thanks."},
        ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("none", "none"),
        ("required", "required"),
        ("now", {"type": "function", "function": {"name": "now"}}),
    ],
)
async def test_which_tool(choice: str, sent: Any) -> None:
    async with asked() as (made, server):
        server.script(ended(delta("No.")))
        await chunks(made, with_tools(tool_choice=choice, parallel_tool_calls=False))
        assert server.only.json["tool_choice"] == sent
        assert server.only.json["parallel_tool_calls"] is False


async def test_calls_as_the_documentation_shows_them() -> None:
    """https://platform.openai.com/docs/guides/function-calling#streaming"""
    async with asked() as (made, server):
        first = {"id": "call_DdmO9pD3xa9XTPNJ32zg2hcA", "type": "function", "name": "get_weather"}
        pieces = [piece(0, part) for part in ('{"', "location", '":"', "Paris", '"}')]
        second = piece(1, "{}", id="call_2", type="function", name="now")
        server.script(ended(piece(0, "", **first), *pieces, second))
        got = await chunks(made, with_tools())
        assert called(got) == [
            ("call_DdmO9pD3xa9XTPNJ32zg2hcA", "get_weather", '{"location":"Paris"}'),
            ("call_2", "now", "{}"),
        ]
        assert [chunk.tool_calls[0].arguments for chunk in got[1:4]] == ['{"', "location", '":"']
        assert got[-1].finish_reason == "tool_calls"
        assert got[-1].usage.provider.finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(
            [
                piece(0, '{"location":', id="a", name="get_weather"),
                piece(0, ' "Paris"}', id="a", name="get_weather"),
                piece(1, {}, id="b", name="now"),
            ],
            id="names in every piece, objects as arguments",
        ),
        pytest.param(
            [
                piece(None, '{"location":', id="a", name="get_weather"),
                piece(None, ' "Paris"}'),
                piece(None, "{}", id="b", name="now"),
            ],
            id="no index",
        ),
        pytest.param(
            [
                piece(0, '{"location": "Paris"}', id="a", name="get_weather"),
                piece(0, "{}", id="b", name="now"),
            ],
            id="one index for all",
        ),
        pytest.param(
            [
                piece(0, '{"location": "Paris"}', id="a", name="get_weather"),
                piece(1, "", id="b", name="now"),
            ],
            id="no arguments",
        ),
    ],
)
async def test_calls_as_others_send_them(pieces: list[Any]) -> None:
    async with asked() as (made, server):
        server.script(ended(*pieces, finish="stop"))
        got = await chunks(made, with_tools())
        assert called(got) == [("a", "get_weather", '{"location": "Paris"}'), ("b", "now", "{}")]
        assert got[-1].finish_reason == "tool_calls"


async def test_calls_in_one_piece_and_without_ids() -> None:
    calls = [{"type": "function", "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]}
    async with asked() as (made, server):
        server.script(answer(body))
        got = called(await chunks(made, with_tools()))
        assert [call[1:] for call in got] == [("a", "{}"), ("b", "{}")]
        assert got[0][0] != got[1][0]


async def test_a_call_that_the_limit_cut_is_not_made_whole() -> None:
    async with asked() as (made, server):
        server.script(ended(piece(0, "", id="a", name="now"), finish="length"))
        got = await chunks(made, with_tools())
        assert called(got) == [("a", "now", "")]
        assert got[-1].finish_reason == "length"


async def test_a_call_without_a_name() -> None:
    async with asked() as (made, server):
        server.script(ended(piece(0, "{}")))
        with pytest.raises(ProviderError, match="begins without a name"):
            await chunks(made, with_tools())


async def test_one_call_where_the_provider_can_not_be_told() -> None:
    async with asked("saas/deepseek", saas__model="deepseek-chat") as (made, server):
        both = [piece(0, "{}", id="a", name="now"), piece(1, "{}", id="b", name="get_weather")]
        server.script(ended(*both))
        got = await chunks(made, with_tools(parallel_tool_calls=False))
        assert called(got) == [("a", "now", "{}")]
        assert "parallel_tool_calls" not in server.only.json


@pytest.mark.parametrize(
    ("tools", "fields", "says"),
    [
        ([NOW, NOW], {}, "same name: now, now"),
        ([NOW], {"tool_choice": "then"}, "'then'; it must be auto, none, required or .*: now"),
    ],
)
async def test_tools_that_are_none(tools: list[Tool], fields: Any, says: str) -> None:
    async with asked() as (made, _):
        with pytest.raises(InvalidRequestError, match=says):
            await chunks(made, with_tools(*tools, **fields))


async def test_what_a_provider_can_not_choose() -> None:
    async with asked("saas/zhipu", saas__model="glm-4-plus") as (made, server):
        server.script(ended(delta("No.")))
        await chunks(made, with_tools(tool_choice="none"))
        assert "tools" not in server.only.json
        with pytest.raises(InvalidRequestError, match="can't make a model call any tool"):
            await chunks(made, with_tools(tool_choice="required"))
    async with asked("saas/qianwen") as (made, server):
        server.script(ended(delta("No.")))
        await chunks(made, with_tools(NOW, tool_choice="required"))  # the only one
        assert server.only.json["tool_choice"]["function"] == {"name": "now"}


async def test_models_without_tools() -> None:
    async with asked("saas/yi") as (made, _):
        for request in (with_tools(), GenerateRequest("r", ASKED)):
            with pytest.raises(InvalidRequestError, match="saas/yi .*tools"):
                await chunks(made, request)
        with pytest.raises(InvalidRequestError, match="can't hold answers of yi-lightning"):
            await chunks(made, with_schema(STORY))


async def test_a_schema_is_made_strict() -> None:
    """What is not known is left out, every property is required, objects are closed."""
    async with asked() as (made, server):
        server.script(ended(delta('{"title": "x"}'), finish="stop"))
        assert await text(made, with_schema(STORY)) == '{"title": "x"}'
        assert server.only.json["response_format"] == {
            "type": "json_schema",
            "json_schema": {
                "name": "answer",
                "strict": True,
                "schema": {
                    "type": "object",
                    "properties": {
                        "title": {"type": "string"},
                        "pages": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
                        "kind": {"$ref": "#/$defs/Kind"},
                    },
                    "required": ["title", "pages", "kind"],
                    "additionalProperties": False,
                    "$defs": {"Kind": {"enum": ["tale", "report"], "type": "string"}},
                },
            },
        }


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {}}},
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": {"not": {"type": "string"}}}},
        {"type": "object", "properties": {"a": {"$ref": "https://example.org/a.json"}}},
    ],
)
async def test_a_schema_that_can_not_be_strict(schema: dict[str, Any]) -> None:
    async with asked() as (made, server):
        server.script(ended(delta("{}"), finish="stop"))
        await chunks(made, with_schema(schema))
        sent = server.only.json["response_format"]["json_schema"]
        assert sent == {"name": "answer", "strict": False, "schema": schema}


async def test_recursion_is_known_to_openai() -> None:
    async with asked() as (made, server):
        server.script(ended(delta("{}"), finish="stop"))
        await chunks(made, with_schema(TREE))
        assert server.only.json["response_format"]["json_schema"]["strict"] is True


async def test_a_schema_of_no_object() -> None:
    async with asked() as (made, _):
        with pytest.raises(InvalidRequestError, match="schemas of objects"):
            await chunks(made, with_schema({"type": "array", "items": {"type": "string"}}))


async def test_json_of_any_shape() -> None:
    async with asked("saas/deepseek", saas__model="deepseek-chat") as (made, server):
        server.script(ended(delta("{}"), finish="stop"))
        await chunks(made, with_schema(STORY))
        assert server.only.json["response_format"] == {"type": "json_object"}


async def test_an_answer_by_a_tool() -> None:
    async with asked(saas__model="gpt-4") as (made, server):
        first = piece(0, "", id="a", name="answer")
        server.script(ended(first, piece(0, '{"title":'), piece(0, ' "x"}'), finish="stop"))
        got = await chunks(made, with_schema(STORY))
        assert "".join(chunk.text for chunk in got) == '{"title": "x"}'
        assert called(got) == []
        assert got[-1].finish_reason == "stop"
        body = server.only.json
        assert body["tools"][0]["function"]["parameters"] == STORY
        assert body["tool_choice"] == {"type": "function", "function": {"name": "answer"}}
        with pytest.raises(InvalidRequestError, match="leave the tools or the schema out"):
            await chunks(made, with_tools(response_schema=STORY))


@pytest.mark.parametrize(
    ("kind", "params", "structured", "tools"),
    [
        ("saas/openai", {}, "json_schema", True),
        ("saas/official_openai", {"saas__model": "gpt-5-mini"}, "json_schema", True),
        ("saas/openai", {"saas__model": "gpt-3.5-turbo"}, "tool", True),
        ("saas/openai", {"saas__model": "tts-1"}, None, False),
        ("saas/openai", {"saas__base_url": "https://api.deepseek.com/v1"}, "json_object", True),
        ("saas/openai", {"saas__base_url": "https://api.lingyiwanwu.com/v1"}, None, False),
        ("saas/openai", {"saas__base_url": "http://10.0.0.1:8000/v1"}, "json_schema", True),
        ("saas/openai", {"structured_output": "none", "support_tools": False}, None, False),
        ("saas/yi", {"structured_output": "tool", "support_tools": True}, "tool", True),
        ("saas/minimax", {"saas__model": "MiniMax-Text-01"}, "json_schema", True),
        ("saas/baichuan", {}, None, False),
        ("saas/zhipu", {"saas__model": "embedding-2"}, None, False),
    ],
)
def test_what_is_known_of_models(
    kind: str, params: dict[str, Any], structured: str | None, tools: bool
) -> None:
    meta = engine(kind, saas__api_key=KEY, **params).meta()
    assert (meta.get("structured_output"), meta["support_tools"]) == (structured, tools)


async def test_spark_over_http_is_told_to_send_calls_like_openai() -> None:
    params = {"saas__api_password": KEY, "saas__api_key": None, "saas__model": "generalv3.5"}
    async with asked("saas/sparkdesk", **params) as (made, server):
        server.script(ended(piece(0, "{}", id="a", name="now")))
        assert called(await chunks(made, with_tools())) == [("a", "now", "{}")]
        assert server.only.json["tool_calls_switch"] is True


async def test_the_stand_in() -> None:
    with StandIn() as server:
        made = engine("saas/openai", saas__api_key=STAND_IN_KEY, saas__base_url=server.url)
        made.load(lambda progress: None)
        async with made:
            said = [Message("user", 'Please get_weather({"location": "Rome"}) and now.')]
            got = await chunks(made, with_tools(messages=said))
            assert [call[1:] for call in called(got)] == [
                ("get_weather", '{"location": "Rome"}'),
                ("now", "{}"),
            ]
            assert await text(made, with_tools(messages=ASKED[:-1])) == 'You said: {"hour": 12}'
            assert await text(made, with_schema(STORY)) == (
                '{"title": "text", "pages": 1, "kind": "tale"}'
            )
            story = '{"title": "Rome", "pages": null, "kind": "tale"}'
            request = GenerateRequest("r", [Message("user", story)], response_schema=STORY)
            assert await text(made, request) == story
