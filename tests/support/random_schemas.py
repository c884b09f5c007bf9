"""Random JSON schemas of growing difficulty, whose answers are never long."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any]
NAMES = ["id", "name", "größe", "名前", "a b", 'quo"te', "x-y", "tags", "n0", "größe/2", "🙂", ""]
WORDS = ["red", "green", "größer", "日本", 'say "hi"', "back\\slash", "line\nbreak", "", " ", "🙂"]
PATTERNS = [
    "^[a-z]{1,5}$",
    "^\\d{3}-\\d{2}$",
    "^(yes|no|maybe)$",
    "^[A-Z][a-z]+( [A-Z][a-z]+)?$",
    "^\\w{2,4}\\.\\w{2}$",
    "^[^x]{1,4}$",
    "^(\\+49|0)[1-9][0-9]{2,5}$",
    "^\\S{1,4}$",
    "^\\W{1,2}$",
    "[0-9]{2}",
]
FORMATS = ["date", "time", "date-time", "uuid", "ipv4", "ipv6", "email", "hostname", "duration"]
FORMATS += ["password", "binary"]
REFUSED: list[tuple[Schema, str]] = [
    ({"not": {"type": "string"}}, "not"),
    ({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "uniqueItems"),
    ({"type": "array", "contains": {"type": "integer"}}, "contains"),
    ({"type": "object", "propertyNames": {"maxLength": 3}}, "propertyNames"),
    ({"if": {"type": "string"}, "then": {"minLength": 2}}, "if"),
    ({"dependentRequired": {"a": ["b"]}}, "dependentRequired"),
    ({"type": "string", "format": "json-pointer"}, "format"),
    ({"type": "number", "multipleOf": 0.1}, "multipleOf"),
    ({"$ref": "https://example.com/schema.json"}, "$ref"),
    ({"$ref": "#/$defs/missing"}, "$ref"),
    ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
    ({"type": "string", "pattern": "^(?=a)b"}, "look"),
]
"""Schemas that can't be held, and a word of the reason."""


def random_schema(seed: int, level: int) -> Schema:
    """A schema that can be held.

    Args:
        seed: The same seed gives the same schema.
        level: 0 has single values; each one more goes deeper, and from 3 on with references,
            alternatives and combinations.
    """
    return _Maker(random.Random(f"{seed}/{level}"), level).whole()


def refused_schema(seed: int, level: int) -> tuple[Schema, str]:
    """A schema that has somewhere what can't be held, and a word of the reason."""
    maker = _Maker(random.Random(f"refused {seed}/{level}"), level)
    bad, word = maker.rng.choice(REFUSED)
    if "$ref" in bad or level == 0:
        return bad, word
    return {
        "type": "object",
        "properties": {"good": maker.value(level - 1), "bad": {"type": "array", "items": bad}},
        "required": ["good", "bad"],
    }, word


class _Maker:
    def __init__(self, rng: random.Random, level: int) -> None:
        self.rng = rng
        self.level = level
        self.definitions: dict[str, Schema] = {}

    def whole(self) -> Schema:
        if self.level >= 3:
            self.definitions["word"] = self.text()
            self.definitions["kind"] = self.object(1)
            # A tree that may end at every branch.
            self.definitions["tree"] = {
                "type": "object",
                "properties": {
                    "v": self.number(),
                    "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/tree"}]},
                },
                "required": ["v", "next"],
                "additionalProperties": False,
            }
        schema = self.object(self.level) if self.level else self.value(0)
        if self.definitions:
            schema["$defs"] = self.definitions
        return schema

    def value(self, depth: int) -> Schema:
        makers: list[Callable[[], Schema]] = [self.text, self.number, self.choice, self.constant]
        makers += [lambda: {"type": self.rng.choice(["boolean", "null"])}, self.optional]
        if depth > 0:
            makers += [lambda: self.object(depth - 1), lambda: self.array(depth - 1)] * 2
            makers += [lambda: self.alternatives(depth - 1), lambda: self.tuple(depth - 1)]
        if self.definitions:
            makers += [self.reference] * 2
            makers += [lambda: self.combination(depth), self.tagged, self.mapping]
        return self.rng.choice(makers)()

    def text(self) -> Schema:
        kind = self.rng.randrange(5)
        if kind == 0:
            return {"type": "string", "pattern": self.rng.choice(PATTERNS), "maxLength": 12}
        if kind == 1:
            found: Schema = {"type": "string", "format": self.rng.choice(FORMATS)}
            if found["format"] in ("email", "hostname", "password", "binary"):
                found["maxLength"] = 14
            return found
        if kind == 2:
            return {"type": "string", "enum": self.rng.sample(WORDS, 3)}
        least = self.rng.randrange(4)
        return {"type": "string", "minLength": least, "maxLength": least + self.rng.randrange(8)}

    def number(self) -> Schema:
        low, high = sorted(self.rng.sample(range(-1000, 1000), 2))
        kind = self.rng.randrange(6)
        if kind == 0:
            return {"type": "integer", "minimum": low, "maximum": high}
        if kind == 1:
            return {"type": "integer", "exclusiveMinimum": low, "exclusiveMaximum": high + 2}
        if kind == 2:
            step = self.rng.choice([2, 3, 7])
            return {"type": "integer", "multipleOf": step, "minimum": low, "maximum": low + 40}
        scale = self.rng.choice([1, 10, 1000])
        keys = (
            self.rng.choice(["minimum", "exclusiveMinimum"]),
            self.rng.choice(["maximum", "exclusiveMaximum"]),
        )
        if kind == 3:
            return {"type": "number", keys[0]: 0, keys[1]: high % 100 / scale + 0.5}
        return {"type": "number", keys[0]: low / scale, keys[1]: high / scale + 1}

    def choice(self) -> Schema:
        return {"enum": self.rng.sample([1, 2.5, "a", None, True, [1, "x"], {"k": []}, -7], 4)}

    def constant(self) -> Schema:
        return {"const": self.rng.choice([*WORDS, 0, -1.5, None, False, [], {"größe": [1, {}]}])}

    def optional(self) -> Schema:
        return {"type": ["integer", "null"], "minimum": 0, "maximum": self.rng.randrange(1, 99)}

    def object(self, depth: int) -> Schema:
        names = self.rng.sample(NAMES, self.rng.randrange(1, 5))
        found: Schema = {
            "type": "object",
            "properties": {name: self.value(depth) for name in names},
            "required": [name for name in names if self.rng.random() < 0.7],
            "title": "Thing",
        }
        if self.rng.random() < 0.5:
            found["additionalProperties"] = False
        return found

    def mapping(self) -> Schema:
        return {
            "type": "object",
            "patternProperties": {"^[a-c]$": self.number()},
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 3,
        }

    def array(self, depth: int) -> Schema:
        least = self.rng.randrange(3)
        return {
            "type": "array",
            "items": self.value(depth),
            "minItems": least,
            "maxItems": least + self.rng.randrange(1, 3),
        }

    def tuple(self, depth: int) -> Schema:
        parts = [self.value(depth) for _ in range(2)]
        return {"type": "array", "prefixItems": parts, "items": False, "minItems": 2}

    def alternatives(self, depth: int) -> Schema:
        return {"anyOf": [self.value(depth) for _ in range(self.rng.randrange(1, 4))]}

    def reference(self) -> Schema:
        return {"$ref": f"#/$defs/{self.rng.choice(list(self.definitions))}"}

    def combination(self, depth: int) -> Schema:
        return {
            "allOf": [
                {"type": "object", "properties": {"a": self.number()}, "required": ["a"]},
                {"properties": {"b": self.value(max(0, depth - 1))}},
            ]
        }

    def tagged(self) -> Schema:
        return {
            "oneOf": [
                {
                    "type": "object",
                    "properties": {"kind": {"const": kind}, "value": self.text()},
                    "required": ["kind"],
                    "additionalProperties": False,
                }
                for kind in ("x", "y")
            ],
            "discriminator": {"propertyName": "kind"},
        }
