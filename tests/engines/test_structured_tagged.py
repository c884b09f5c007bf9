"""Calls whose arguments stand as tags, as Qwen3-Coder writes them; ids as Mistral takes them."""

from __future__ import annotations

import json
import random
from typing import Any

import jsonschema
import numpy as np
import pytest

from byzer_lab.engines.checks import text_turns
from byzer_lab.engines.structured.calls import MISTRAL, TAGGED, call_format
from byzer_lab.engines.structured.masks import allowed_tokens
from byzer_lab.engines.structured.reading import CallReader
from byzer_lab.engines.structured.structure import Structure
from byzer_lab.engines.structured.vocabulary import of_tokenizer
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import InvalidRequestError
from byzer_lab.tagged_calls import tagged_calls, value_of
from byzer_lab.types import GenerateRequest, Message, Tool, ToolCall
from tests.engines.conftest import ask

TEMPLATE = (
    "{% for tool in tools %}{{ tool }}{% endfor %}<tool_call>\n<function=f>\n<parameter=p>\nx\n"
    "</parameter>\n</function>\n</tool_call>"
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "maxLength": 12},
        "lines": {"type": "array", "items": {"type": "integer", "maximum": 99, "minimum": 0},
                  "maxItems": 3},
        "mode": {"enum": ["read", "write <b>"]},
        "deep": {"anyOf": [{"$ref": "#/$defs/deep"}, {"type": "null"}]},
        "note": {"anyOf": [{"type": "string", "maxLength": 5}, {"type": "null"}]},
    },
    "required": ["path", "mode"],
    "$defs": {"deep": {"type": "object", "properties": {"on": {"type": "boolean"}},
                       "required": ["on"], "additionalProperties": False}},
}  # fmt: skip
TOOL = Tool("edit", "Edit a file.", SCHEMA)
NOW = Tool("now", "The time.", {"type": "object", "properties": {}})
TEXT = 'def f():\n    return "<b>"\n'
CALL = (
    "<tool_call>\n<function=edit>\n<parameter=path>\na.py\n</parameter>\n<parameter=lines>\n[1, 2]"
    "\n</parameter>\n<parameter=mode>\nwrite <b>\n</parameter>\n<parameter=deep>\n"
    '{"on": true}\n</parameter>\n</function>\n</tool_call>'
)
NO_ARGUMENTS = "<tool_call>\n<function=now>\n</function>\n</tool_call>"
EDIT = {"path": "a.py", "lines": [1, 2], "mode": "write <b>", "deep": {"on": True}}


def test_the_formats_are_found() -> None:
    assert call_format(TEMPLATE) is TAGGED
    assert TAGGED.tagged
    assert MISTRAL.short_ids


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_calls_are_read_in_any_pieces(step: int) -> None:
    reader = CallReader(TAGGED, anywhere=True, schemas={"edit": SCHEMA})
    text = f"I edit.\n{CALL}\n{NO_ARGUMENTS}"
    shown, names, arguments = "", list[str](), list[str]()
    for start in range(0, len(text), step):
        new, pieces = reader.feed(text[start : start + step])
        shown += new
        for piece in pieces:
            if piece.name:
                names.append(piece.name)
                arguments.append("")
            arguments[piece.index] += piece.arguments
    assert shown + reader.flush() == "I edit."
    assert names == ["edit", "now"]
    assert [json.loads(one) for one in arguments] == [EDIT, {}]


@pytest.mark.parametrize(
    ("text", "schema", "value"),
    [
        ("12", {"type": "string"}, "12"),
        ("12", {"type": "integer"}, 12),
        ("12", {}, 12),
        ("a b", {}, "a b"),
        ("null", {"anyOf": [{"type": "string"}, {"type": "null"}]}, None),
        ("null", {"type": "string"}, "null"),
        ("True", {"type": "boolean"}, True),
        ("12", {"enum": ["12", "13"]}, "12"),
        ("12", {"$ref": "#/$defs/number"}, 12),
        ("[1", {"type": "array"}, "[1"),
        ("1", {"allOf": [{"type": ["string", "integer"]}, {"type": "integer"}]}, 1),
        ("1", {"$ref": "#/$defs/endless"}, 1),
    ],
)
def test_values_are_what_their_schemas_say(text: str, schema: Any, value: Any) -> None:
    root = {"$defs": {"number": {"type": "integer"}, "endless": {"$ref": "#/$defs/endless"}}}
    assert value_of(text, schema, root) == value


def test_calls_in_a_text() -> None:
    found = list(tagged_calls(f"Well.\n{CALL}\n{NO_ARGUMENTS}", {"edit": SCHEMA}))
    assert found == [("edit", EDIT), ("now", {})]
    code = f"<function=write>\n<parameter=text>\n{TEXT}\n</parameter>\n</function>"
    schema = {"properties": {"text": {"type": "string"}}}
    assert list(tagged_calls(code, {"write": schema})) == [("write", {"text": TEXT})]


# -- held ---------------------------------------------------------------------------------------


@pytest.fixture
def structure(bundled_transformers: TransformersEngine) -> tuple[Structure, Any]:
    loaded, _ = bundled_transformers._ready()
    ends = frozenset(loaded.end_of_text)
    tokens = of_tokenizer(loaded.tokenizer, loaded.vocabulary, ends)
    return Structure(tokens, TEMPLATE, loaded.decode, ends), loaded


def asking(**more: Any) -> GenerateRequest:
    request = ask([Message("user", "hello")], max_tokens=100)
    request.tools = [TOOL, NOW]
    for name, value in more.items():
        setattr(request, name, value)
    return request


async def test_what_fits_is_taken_and_nothing_else(structure: tuple[Structure, Any]) -> None:
    held, loaded = structure
    for text, fits in [
        (CALL, True),
        (f"{CALL}\n{NO_ARGUMENTS}", True),
        (f"I edit.\n{CALL}", True),
        ("Only text with <parameter=x>", True),
        (CALL.replace("write <b>", "append"), False),
        (CALL.replace("[1, 2]", "[1, 200]"), False),
        (CALL.replace("a.py", "a" * 13), False),
        (CALL.replace("<parameter=path>\na.py\n</parameter>\n", ""), False),
        (CALL.replace("<parameter=deep>", "<parameter=deeper>"), False),
        (CALL.replace("[1, 2]", '"1"'), False),
    ]:
        constraint = await held.constraint(asking())
        assert constraint is not None
        tokens = loaded.tokenizer.encode(text)
        taken = constraint.matcher.try_consume_tokens(tokens)
        assert (taken == len(tokens)) is fits, text
        assert not fits or constraint.matcher.is_accepting()


async def test_whatever_is_written_fits_its_schema(structure: tuple[Structure, Any]) -> None:
    held, loaded = structure
    whole = 0
    for seed in range(12):
        rng = random.Random(seed)
        request = asking(tool_choice="edit")
        constraint = await held.constraint(request)
        assert constraint is not None
        answer = held.answer(request, constraint)
        arguments = ""
        for _ in range(1000):
            allowed = np.flatnonzero(allowed_tokens([constraint], loaded.vocabulary)[0])
            token = int(rng.choice(list(allowed)))
            if token in loaded.end_of_text:
                break
            constraint.take(token)
            answer.feed([token])
            arguments += "".join(one.arguments for one in answer.take_calls())  # type: ignore[union-attr]
            if constraint.matcher.is_stopped():
                break
        else:
            continue
        whole += 1
        constraint.check()
        jsonschema.validate(json.loads(arguments), SCHEMA)
    assert whole >= 8


async def test_arguments_that_are_no_parameters_are_refused(
    structure: tuple[Structure, Any],
) -> None:
    for schema in ({"anyOf": [{"type": "object"}]}, {"$ref": "#/$defs/x", "$defs": {"x": {}}}):
        with pytest.raises(InvalidRequestError, match="no plain list of parameters.*tools/odd"):
            await structure[0].constraint(asking(tools=[Tool("odd", "", schema)]))
    inside = {"properties": {"x": {"type": "array", "uniqueItems": True}}}
    with pytest.raises(InvalidRequestError, match="tools/odd/properties/x/uniqueItems"):
        await structure[0].constraint(asking(tools=[Tool("odd", "", inside)]))


def test_mistral_gets_ids_of_nine_letters() -> None:
    turns = [
        Message("assistant", tool_calls=[ToolCall("call_0123456789", "f", "{}")]),
        Message("tool", "1", tool_call_id="call_0123456789"),
        Message("assistant", tool_calls=[ToolCall("abcDEF123", "f", "{}")]),
    ]
    plain = text_turns(turns, "{{ tools }}")
    assert plain[0]["tool_calls"][0]["id"] == "call_0123456789"
    short = text_turns(turns, "{{ tools }}[TOOL_CALLS][ARGS]")
    first = short[0]["tool_calls"][0]["id"]
    assert len(first) == 9
    assert first.isalnum()
    assert short[1]["tool_call_id"] == first
    assert short[2]["tool_calls"][0]["id"] == "abcDEF123"
    _, pieces = CallReader(MISTRAL, anywhere=True).feed("[TOOL_CALLS]f[ARGS]{}")
    assert len(pieces[0].id) == 9
    assert pieces[0].id.isalnum()
