"""What an answer may be asked for as, and how answers are read, against the model's worst."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import decimal
import enum
import json
import random
import uuid
from typing import Annotated, Any, Literal, TypedDict

import jsonschema  # type: ignore[import-untyped]
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from byzer_lab.client.typed.bounds import bounded
from byzer_lab.client.typed.kinds import UnfitError, kind_of
from byzer_lab.client.typed.parsing import extract_code, json_values, read_answer
from byzer_lab.client.typed.schemas import LEVELS, as_object, is_wrapped, ladder, loosened
from byzer_lab.errors import InvalidRequestError


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(pydantic.BaseModel):
    city: str
    number: Annotated[int, pydantic.Field(ge=1, le=999)] = 1


class Person(pydantic.BaseModel):
    name: str
    born: datetime.date
    colour: Colour
    address: Address | None = None
    tags: list[str] = []
    pet: Literal["cat", "dog"] | int


class Node(pydantic.BaseModel):
    value: int
    children: list[Node] = []


class Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(strict=True, extra="forbid")
    when: datetime.date
    colour: Colour


@dataclasses.dataclass
class Point:
    x: int
    y: int


class Movie(TypedDict):
    title: str
    year: int


PERSON = {
    "name": "Ann", "born": "2001-02-03", "colour": "red", "address": {"city": "Oslo"}, "pet": 3
}  # fmt: skip
KINDS: list[tuple[Any, Any, Any]] = [
    (Person, PERSON, Person(name="Ann", born=datetime.date(2001, 2, 3), colour=Colour.RED,
                            address=Address(city="Oslo"), pet=3)),
    (Node, {"value": 1, "children": [{"value": 2}]}, Node(value=1, children=[Node(value=2)])),
    (Strict, {"when": "2020-01-01", "colour": "blue"},
     Strict(when=datetime.date(2020, 1, 1), colour=Colour.BLUE)),
    (Point, {"x": 1, "y": 2}, Point(1, 2)),
    (Movie, {"title": "M", "year": 1931}, {"title": "M", "year": 1931}),
    (list[Point], [{"x": 1, "y": 2}], [Point(1, 2)]),
    (Point | Movie, {"title": "M", "year": 1931}, {"title": "M", "year": 1931}),
    (Colour, "red", Colour.RED),
    (Literal["a", "b"], "b", "b"),
    (int, 7, 7),
    (str, "seven", "seven"),
    (bool, True, True),
    (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
    (uuid.UUID, "1" * 32, uuid.UUID("1" * 32)),
    (dict[str, int], {"a": 1}, {"a": 1}),
    (tuple[int, str], [1, "a"], (1, "a")),
    (int | None, None, None),
    (Person.model_json_schema(), PERSON, PERSON),
    (json.dumps(Person.model_json_schema()), PERSON, PERSON),
    ({"type": "array", "items": {"type": "integer"}}, [1, 2], [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "data", "value"), KINDS, ids=lambda one: str(one)[:30])
def test_a_value_of_each_kind(asked: Any, data: Any, value: Any) -> None:
    kind = kind_of(asked)
    text = json.dumps(data)
    for answer in (
        text,
        f"```json\n{text}\n```",
        f"```\n{text}\n```",
        f"Sure:\n```JSON\n{text}\n```\nand more",
        f"<think>perhaps {{}}?</think>\n{text}",
        json.dumps({"value": data}),
    ):
        assert read_answer(answer, kind) == value
    jsonschema.validate(data, kind.schema)


@pytest.mark.parametrize(
    ("answer", "faults"),
    [
        ('{"name": "Ann"}', "born: Field required; colour: Field required; pet"),
        (json.dumps({**PERSON, "born": "soon"}), "born: Input should be a valid date"),
        (json.dumps({**PERSON, "address": {"city": "A", "number": 0}}), "address.number: Input"),
        ("I can't say.", "There is no JSON in the answer"),
        ("", "The answer is empty"),
        ("[]", "Input should be an object"),
    ],
)
def test_faults_are_told(answer: str, faults: str) -> None:
    with pytest.raises(UnfitError, match=faults):
        read_answer(answer, kind_of(Person))


def test_faults_of_a_schema_are_told() -> None:
    with pytest.raises(UnfitError, match=r"\$\.year: 'x' is not of type 'integer'"):
        read_answer('{"title": "M", "year": "x"}', kind_of(kind_of(Movie).schema))


def test_ten_faults_are_not_all_told() -> None:
    with pytest.raises(UnfitError, match="and 5 more"):
        read_answer(json.dumps(["x"] * 10), kind_of(list[int]))


@pytest.mark.parametrize(
    "nearly",
    [
        "{'name': 'A', 'year': 1,}",
        '{name: "A", year: 1}',
        'Here: {"name": "A", "year": 1} is it.',
        '{"name": "A", // who\n "year": 1}',
        '{"name": "A" "year": 1}',
        'Thoughts: {a} and {b}.\n```json\n{"name": "A", "year": 1}\n```\nDone.',
        '{"name": "A", "year": 1}\n{"name": 2}',
        '```py\n{"no": 1}\n```\n```json\n{"name": "A", "year": 1}\n```\n```py\nf()\n```',
    ],
)
def test_what_is_nearly_json_is_read(nearly: str) -> None:
    class Named(pydantic.BaseModel):
        name: str
        year: int

    assert read_answer(nearly, kind_of(Named)) == Named(name="A", year=1)


def test_what_was_cut_off_is_not_repaired() -> None:
    cut = '{"title": "M", "year": 19'
    assert read_answer(cut, kind_of(Movie)) == {"title": "M", "year": 19}  # as a whole answer
    with pytest.raises(UnfitError):
        read_answer(cut, kind_of(Movie), whole=False)


@pytest.mark.parametrize("endless", ["[" * 20_000, '{"a":' * 20_000, "7" * 5000])
def test_what_is_too_deep_or_too_long_is_no_answer(endless: str) -> None:
    for text in (endless, f"```json\n{endless}\n```"):
        with pytest.raises(UnfitError):
            read_answer(text, kind_of(Movie))


def test_a_key_named_value_stays() -> None:
    class Valued(pydantic.BaseModel):
        value: int

    assert read_answer('{"value": 3}', kind_of(Valued)) == Valued(value=3)
    assert read_answer('{"value": 3}', kind_of(dict[str, int])) == {"value": 3}


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ("no schema", "response_class is a text that is no JSON schema"),
        ("[1]", r"response_class is \[1\] as JSON"),
        ({"type": "strin"}, "response_class is no JSON schema: "),
        (Point(1, 2), "can't be asked for"),
        (Address(city="x"), "response_class is an instance of Address; pass the class"),
        (print, "is the function print"),
        (object(), r"can't be asked for: <object object at \w+> is no type that JSON can hold"),
        ([Address], r"a list and no type; for several, write list\[Address\]"),
        (list["Nowhere"], "'Nowhere' is a text in it; name the class itself"),  # type: ignore[name-defined]  # noqa: F821
    ],
)
def test_what_can_not_be_asked_for(asked: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        kind_of(asked)


def test_no_schema_is_fetched() -> None:
    kind = kind_of({"type": "object", "properties": {"a": {"$ref": "https://example.com/s"}}})
    with pytest.raises(InvalidRequestError, match="nothing is fetched"):
        kind.read({"a": 1})


def test_code_blocks() -> None:
    text = "a\n```python\nx = 1\n```\n~~~~ JSON\n{}\n~~~~\n```\nopen"
    assert extract_code(text) == [("python", "x = 1"), ("json", "{}"), ("", "open")]


# -- schemas ------------------------------------------------------------------------------------


def test_what_is_no_object_is_put_into_one() -> None:
    listed = kind_of(list[Node]).schema
    wrapped = as_object(listed)
    assert wrapped is not None
    assert is_wrapped(listed)
    jsonschema.validate({"value": [{"value": 1}]}, wrapped)
    assert kind_of(Node).schema["$ref"] == "#/$defs/Node"
    rooted = as_object(kind_of(Node).schema)
    assert rooted is not None
    assert rooted["type"] == "object"
    assert not is_wrapped(kind_of(Node).schema)
    jsonschema.validate({"value": 1, "children": [{"value": 2}]}, rooted)
    assert as_object({"anyOf": [{"$ref": "#/x"}], "x": {}}) is None


def test_a_ladder_ends_without_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"pattern": "(?=x)", "maxLength": 3}}}
    looser = {"type": "object", "properties": {"a": {"maxLength": 3}}}
    loosest: dict[str, Any] = {"type": "object", "properties": {"a": {}}}
    assert list(ladder(schema, "constrained")) == [schema, looser, loosest, None]
    assert list(ladder({"type": "integer"}, "constrained")) == [{"type": "integer"}, None]
    assert list(ladder(schema, "")) == [None]


def random_schema(rng: random.Random, depth: int = 0) -> Any:
    """A JSON schema with many keywords."""
    if rng.random() < 0.05:
        return rng.random() < 0.8
    below = depth < 3
    plain = ["integer", "string", "number", "boolean", "null", "enum"]
    holding = ["object", "array", "oneOf", "anyOf", "allOf", "not", "if"]
    kind = rng.choice(plain + holding * below)

    def inner() -> Any:
        return random_schema(rng, depth + 1)

    if kind == "integer":
        return {"type": kind, "minimum": rng.randint(-3, 2), "maximum": rng.randint(2, 6),
                **({"multipleOf": 2} if rng.random() < 0.3 else {})}  # fmt: skip
    if kind == "string":
        return {"type": kind, "minLength": rng.randint(0, 1), "maxLength": rng.randint(1, 3),
                **({"pattern": "^[ab]"} if rng.random() < 0.3 else {}),
                **({"format": "date"} if rng.random() < 0.2 else {})}  # fmt: skip
    if kind == "enum":
        return {"enum": rng.sample([1, "a", None, True, [], {"a": 1}], 3)}
    if kind == "object":
        names = rng.sample(["a", "b", "not", "pattern"], rng.randint(0, 3))
        return {
            "type": kind,
            "properties": {name: inner() for name in names},
            "required": [name for name in names if rng.random() < 0.5],
            **({"patternProperties": {"^b": inner()}} if rng.random() < 0.3 else {}),
            **(
                {"additionalProperties": rng.choice([False, inner()])} if rng.random() < 0.6 else {}
            ),
            **({"unevaluatedProperties": False} if rng.random() < 0.1 else {}),
            **({"minProperties": 1} if rng.random() < 0.2 else {}),
        }
    if kind == "array":
        return {"type": kind, "items": inner(), "maxItems": rng.randint(0, 3),
                **({"uniqueItems": True} if rng.random() < 0.3 else {}),
                **({"contains": inner()} if rng.random() < 0.2 else {}),
                **({"prefixItems": [inner()]} if rng.random() < 0.3 else {})}  # fmt: skip
    if kind in ("oneOf", "anyOf", "allOf"):
        return {kind: [inner(), inner()]}
    if kind == "if":
        return {"if": inner(), "then": inner(), "else": inner()}
    return {"not": inner()} if kind == "not" else {"type": kind}


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-4, 7) | st.sampled_from(["", "a", "b", "ab", "abc"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "not", "pattern", "z"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), value=VALUES)
def test_loosening_only_loosens(seed: int, value: Any) -> None:
    schema = random_schema(random.Random(seed))
    fits = jsonschema.Draft202012Validator(schema).is_valid(value)
    for dropped in LEVELS:
        looser = loosened(schema, dropped)
        jsonschema.Draft202012Validator.check_schema(looser)
        if fits:
            assert jsonschema.Draft202012Validator(looser).is_valid(value)
        fits = jsonschema.Draft202012Validator(looser).is_valid(value)


@settings(deadline=None)
@given(text=st.text(alphabet="{}[]\",:ab1 \n`'<think>/\\", max_size=60), whole=st.booleans())
def test_no_text_breaks_the_reading(text: str, whole: bool) -> None:
    list(json_values(text, whole=whole))
    for asked in (Person, list[int], str):
        with contextlib.suppress(UnfitError):
            read_answer(text, kind_of(asked), whole=whole)


# -- bounds -------------------------------------------------------------------------------------


class Tree(pydantic.BaseModel):
    """Recursive in four ways."""

    name: str
    left: Tree | None = None
    children: list[Tree] = []
    by_name: dict[str, Tree] = {}
    either: Tree | int = 0


class Endless(pydantic.BaseModel):
    """It can only hold itself."""

    inner: Endless


def test_a_bounded_schema_has_an_end() -> None:
    schema = kind_of(Node).schema
    shorter = bounded(schema)
    assert shorter is not None
    assert "$ref" not in json.dumps(shorter)
    fits = jsonschema.Draft202012Validator(shorter).is_valid
    leaf: dict[str, Any] = {"value": 1}
    assert fits({"value": 1, "children": [leaf, leaf, leaf]})
    assert not fits({"value": 1, "children": [leaf] * 4})
    assert not fits({"value": 1, "children": [{"value": 2, "children": [leaf]}]})
    assert bounded(kind_of(Endless).schema) is None
    assert bounded({"type": "integer", "minimum": 3}) is None
    assert bounded({"$ref": "#/properties/a"}) is None
    assert bounded(kind_of(Tree).schema) is not None
    assert bounded({"type": "string", "minLength": 500}) == {
        "type": "string", "minLength": 500, "maxLength": 500
    }  # fmt: skip


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), value=VALUES)
def test_what_fits_a_bounded_schema_fits_the_schema(seed: int, value: Any) -> None:
    rng = random.Random(seed)
    inner = {name: random_schema(rng, 1) for name in ("A", "B")}
    schema = {
        "$defs": {**inner, "R": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "object", "properties": {
            "a": {"$ref": "#/$defs/R"}, "b": {"$ref": "#/$defs/B"}}}]}},
        "allOf": [random_schema(rng), {"$ref": "#/$defs/R"}],
    }  # fmt: skip
    shorter = bounded(schema)
    if shorter is not None:
        jsonschema.Draft202012Validator.check_schema(shorter)
        if jsonschema.Draft202012Validator(shorter).is_valid(value):
            assert jsonschema.Draft202012Validator(schema).is_valid(value)
