"""What a model is told of a tool, and what its calls are turned into."""

from __future__ import annotations

import datetime
import enum
import functools
import inspect
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import jsonschema  # type: ignore[import-untyped]
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byzer_lab.client.tools.tool import choice_of, local_tool, local_tools
from byzer_lab.client.typed.kinds import UnfitError
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Tool
from byzer_lab.utils import get_tool, serialize_function_to_json


def compute_date_range(
    count: Annotated[int, "时间跨度，数值类型"],
    unit: Annotated[str, "时间单位，字符串类型", {"enum": ["day", "week", "month", "year"]}],
) -> list[str]:
    """
    计算日期范围

    Args:
        count: 时间跨度，数值类型
        unit: 时间单位，字符串类型，可选值为 day,week,month,year
    """
    return [str(count), unit]


def test_the_readmes_tool_keeps_description_and_enum() -> None:
    told = json.loads(serialize_function_to_json(compute_date_range))
    assert told == {
        "name": "compute_date_range",
        "description": "计算日期范围",
        "parameters": {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "description": "时间跨度，数值类型"},
                "unit": {
                    "type": "string",
                    "description": "时间单位，字符串类型",
                    "enum": ["day", "week", "month", "year"],
                },
            },
            "required": ["count", "unit"],
            "additionalProperties": False,
        },
    }
    assert get_tool(compute_date_range) == {"type": "function", "function": told}
    assert serialize_function_to_json("as it is") == "as it is"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Place(pydantic.BaseModel):
    """Where."""

    city: str
    near: list[str] = []


def everything(  # type: ignore[no-untyped-def]
    schema: int,
    /,
    model_config: Annotated[float, pydantic.Field(gt=0, description="A factor.")],
    copy: Place | None = None,
    *rest: Annotated[int, pydantic.Field(ge=0)],
    day: datetime.date,
    colour: Colour = Colour.RED,
    size: Literal["S", "M"] = "M",
    _private: dict[str, list[int]] | None = None,
    undescribed=5,
    **more: bool,
) -> dict[str, Any]:
    """Do everything.

    In one go.

    :param schema: Named like a method of pydantic.
    :param day: When.
    """
    return dict(locals())


def test_a_signature_with_everything() -> None:
    tool = local_tool(everything)
    assert tool.tool.description == "Do everything.\n\nIn one go."
    schema = tool.tool.parameters
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["schema", "model_config", "day"]
    assert schema["properties"]["schema"] == {
        "type": "integer",
        "description": "Named like a method of pydantic.",
    }
    assert schema["properties"]["model_config"]["description"] == "A factor."
    assert schema["properties"]["rest"]["items"] == {"type": "integer", "minimum": 0}
    assert schema["properties"]["day"] == {
        "type": "string",
        "format": "date",
        "description": "When.",
    }
    assert schema["properties"]["size"] == {
        "type": "string",
        "enum": ["S", "M"],
        "default": "M",
    }
    assert schema["properties"]["undescribed"] == {"default": 5}
    assert schema["additionalProperties"] == {"type": "boolean"}
    assert set(schema["$defs"]) == {"Colour", "Place"}
    called = tool.call(
        json.dumps(
            {
                "schema": 1,
                "model_config": "2.5",
                "copy": {"city": "Oslo"},
                "rest": [3, 4],
                "day": "2024-02-29",
                "colour": "blue",
                "_private": {"a": [1]},
                "extra": True,
            }
        )
    )
    assert called == {
        "schema": 1,
        "model_config": 2.5,
        "copy": Place(city="Oslo"),
        "rest": (3, 4),
        "day": datetime.date(2024, 2, 29),
        "colour": Colour.BLUE,
        "size": "M",
        "_private": {"a": [1]},
        "undescribed": 5,
        "more": {"extra": True},
    }


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ('{"count": "many", "unit": "day"}', "count: Input should be a valid integer"),
        ('{"count": 1, "unit": "century"}', "unit: Value error, 'century' is none of"),
        ('{"count": 1}', "unit: Field required"),
        ('{"count": 1, "unit": "day", "zone": 0}', "zone: Extra inputs are not permitted"),
        ("[1]", "Input should be an object"),
        ('{"count": 1', "Invalid JSON"),
        ("", "Field required"),
    ],
)
def test_arguments_are_checked_before_the_call(arguments: str, fault: str) -> None:
    with pytest.raises(UnfitError, match=fault):
        local_tool(compute_date_range).call(arguments)


class Desk:
    def lookup(self, key: str) -> str:
        """Look up."""
        return key.upper()

    def __call__(self, key: str) -> str:
        """Ask the desk."""
        return self.lookup(key)

    @staticmethod
    def plain(key: str = "x") -> str:
        return key


@pytest.mark.parametrize(
    ("given_tool", "name"),
    [
        (Desk().lookup, "lookup"),
        (Desk(), "Desk"),
        (Desk.plain, "plain"),
        (functools.partial(everything, 1, day=datetime.date.min), "everything"),
    ],
)
def test_other_callables(given_tool: Any, name: str) -> None:
    tool = local_tool(given_tool)
    assert tool.tool.name == name
    if name != "everything":
        assert tool.call('{"key": "a"}') in ("a", "A")


def test_the_caller_fills_in_what_the_model_does_not_see() -> None:
    connection = object()

    def query(db: object, text: str, limit: int = 3) -> tuple[object, str, int]:
        return db, text, limit

    with pytest.raises(InvalidRequestError, match="The tool other has a parameter that JSON can't"):
        local_tool(other)
    tool = local_tool(query, {"db": connection, "limit": 9, "unknown": 1})
    assert list(tool.tool.parameters["properties"]) == ["text"]
    assert tool.call('{"text": "a"}') == (connection, "a", 9)
    with pytest.raises(UnfitError, match="limit: Extra inputs"):
        tool.call('{"text": "a", "limit": 1}')


def other(callback: Callable[[int], int]) -> int:
    return callback(1)


def test_a_model_and_schemas_as_tools() -> None:
    tool = local_tool(Place)
    assert (tool.tool.name, tool.tool.description) == ("Place", "Where.")
    assert tool.call('{"city": "Oslo"}') == Place(city="Oslo")
    schema = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
    forms: list[Any] = [
        {"name": "search", "description": "Search.", "parameters": schema},
        {"type": "function", "function": {"name": "search", "description": "Search.",
                                          "parameters": schema}},
        {"name": "search", "description": "Search.", "input_schema": schema},
        Tool("search", "Search.", schema),
    ]  # fmt: skip
    for form in [*forms, *(json.dumps(form) for form in forms[:3])]:
        tool = local_tool(form)
        assert tool.tool == Tool("search", "Search.", schema)
        assert tool.call('{"q": "a"}') == {"q": "a"}
        with pytest.raises(UnfitError, match="'q' is a required property"):
            tool.call("{}")
    titled = local_tool({"title": "search", **schema})
    assert titled.tool.name == "search"
    assert local_tool({"name": "now"}).call("") == {}


@pytest.mark.parametrize(
    ("tools", "sentence"),
    [
        ([lambda: 1], "A tool is named '<lambda>'"),
        ([compute_date_range, compute_date_range], "Two tools are named 'compute_date_range'"),
        (["no JSON"], "A tool is a text that is no JSON"),
        (["{}"], "has no name"),
        ([3], "3 is no tool"),
        ([Colour], "Colour is no tool; its arguments are no object"),
        ("tools", "it must be a list"),
        ([{"name": "auto"}], "A tool is named 'auto'"),
        ([{"name": "a", "parameters": {"type": "strin"}}], "no JSON schema"),
    ],
)
def test_what_is_no_tool(tools: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        local_tools(tools)


def test_the_chosen_tool() -> None:
    tools = local_tools([compute_date_range, Place])
    named = {"type": "function", "function": {"name": "Place"}}
    for choice in (Place, "Place", named):
        assert choice_of(choice, tools) == "Place"
    assert choice_of(None, tools) == "auto"
    assert choice_of({"type": "auto"}, tools) == "auto"
    assert [choice_of(one, tools) for one in ("auto", "none", "required")] == [
        "auto", "none", "required"
    ]  # fmt: skip
    for wrong in ("Plaice", everything, 3):
        with pytest.raises(InvalidRequestError, match="tool_choice is"):
            choice_of(wrong, tools)


# -- properties ---------------------------------------------------------------------------------

TYPES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int": (int, st.integers(-(10**6), 10**6)),
    "float": (float, st.floats(-1e6, 1e6)),
    "bool": (bool, st.booleans()),
    "str": (str, st.text(max_size=8)),
    "list": (list[int], st.lists(st.integers(0, 9), max_size=3)),
    "dict": (dict[str, bool], st.dictionaries(st.text(max_size=3), st.booleans(), max_size=2)),
    "literal": (Literal["a", "b", 3], st.sampled_from(["a", "b", 3])),
    "optional": (int | None, st.none() | st.integers(0, 9)),
    "date": (datetime.date, st.dates()),
    "colour": (Colour, st.sampled_from(Colour)),
    "place": (Place, st.builds(Place, city=st.text(max_size=3), near=st.just(["x"]))),
    "nested": (list[Place | None], st.just([Place(city="y"), None])),
}
NAMES = [
    "a",
    "schema",
    "json",
    "copy",
    "model_config",
    "model_fields",
    "_x",
    "self_",
    "class_",
    "ä",
]
KINDS = [
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
]


@st.composite
def functions(draw: st.DrawFn) -> tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]:
    """A function that returns its arguments; arguments for it; and its parameters."""
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=6))
    kinds = sorted(draw(st.sampled_from(KINDS)) for _ in names)
    parameters, values = [], {}
    optional = False
    for name, kind in zip(names, kinds, strict=True):
        hint, strategy = TYPES[draw(st.sampled_from(sorted(TYPES)))]
        optional = draw(st.booleans()) or (optional and kind is not KINDS[2])
        default = draw(strategy) if optional else inspect.Parameter.empty
        text = draw(st.sampled_from(["", "a text"]))
        annotation = Annotated[hint, text] if text else hint
        parameters.append(inspect.Parameter(name, kind, default=default, annotation=annotation))
        if not optional or draw(st.booleans()):
            values[name] = draw(strategy)
    signature = inspect.Signature(parameters)

    def function(*args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {one.name: one.annotation for one in parameters}
    return function, values, {one.name: one for one in parameters}


@settings(deadline=None)
@given(drawn=functions())
def test_any_signature(
    drawn: tuple[Callable[..., Any], dict[str, Any], dict[str, Any]],
) -> None:
    function, values, parameters = drawn
    tool = local_tool(function)
    schema = tool.tool.parameters
    jsonschema.Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == list(parameters)
    empty = inspect.Parameter.empty
    assert schema["required"] == [p.name for p in parameters.values() if p.default is empty]
    for name, parameter in parameters.items():
        described = schema["properties"][name].get("description")
        notes = getattr(parameter.annotation, "__metadata__", ())
        assert described == (notes[0] if notes else described)
    sent = pydantic.TypeAdapter(dict[str, Any]).dump_json(values)
    jsonschema.validate(json.loads(sent), schema)
    defaults = {p.name: p.default for p in parameters.values() if p.default is not empty}
    assert tool.call(sent.decode()) == {**defaults, **values}
    assert json.loads(serialize_function_to_json(function))["parameters"] == schema


class Folder(pydantic.BaseModel):
    """Make a folder."""

    name: str
    folders: list[Folder] = []


def test_a_class_inside_of_itself_is_told_as_an_object() -> None:
    function = get_tool(Folder)["function"]
    assert function["description"] == "Make a folder."
    assert function["parameters"]["type"] == "object"
    assert function["parameters"]["required"] == ["name"]
    assert "Folder" in function["parameters"]["$defs"]
    made = local_tool(Folder).call('{"name": "a", "folders": [{"name": "b"}]}')
    assert made == Folder(name="a", folders=[Folder(name="b")])
