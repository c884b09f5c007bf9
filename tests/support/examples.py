"""A value that fits a JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

DEEP = 4
FORMATS = {
    "date": "2024-02-29",
    "date-time": "2024-02-29T12:30:00Z",
    "time": "12:30:00Z",
    "duration": "P1D",
    "email": "somebody@example.org",
    "hostname": "example.org",
    "uri": "https://example.org/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
}


def example(schema: Any, root: Any = None, deep: int = 0) -> Any:
    """A value that fits.

    Args:
        schema: With the keywords that pydantic writes, but for ``pattern``.
        root: Where its references point to; the schema itself where not given.
        deep: How many objects and lists it stands in.
    """
    root = schema if root is None else root
    if not isinstance(schema, dict):
        return None
    if "$ref" in schema:
        return example(resolved(schema["$ref"], root), root, deep)
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if "enum" in schema:
        return schema["enum"][0]
    for name in ("anyOf", "oneOf", "allOf"):
        if choices := schema.get(name):
            if deep >= DEEP:
                choices = sorted(choices, key=lambda one: one.get("type") != "null")
            return example(choices[0], root, deep)
    kind = schema.get("type", "object" if "properties" in schema else "null")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        needed = schema.get("required", [])
        fields = schema.get("properties", {}).items()
        return {
            name: example(inner, root, deep + 1)
            for name, inner in fields
            if name in needed or deep < DEEP
        }
    if kind == "array":
        first = [example(inner, root, deep + 1) for inner in schema.get("prefixItems", [])]
        usual = 1 if "items" in schema and deep < DEEP and not first else 0
        more = max(schema.get("minItems", usual) - len(first), 0)
        return first + [example(schema.get("items"), root, deep + 1) for _ in range(more)]
    return _plain(kind, schema)


def resolved(reference: str, root: Any) -> Any:
    """The schema that ``#/...`` points to."""
    for step in reference.removeprefix("#").split("/")[1:]:
        root = root[step.replace("~1", "/").replace("~0", "~")]
    return root


def _plain(kind: str, schema: dict[str, Any]) -> Any:
    if kind == "string":
        text = FORMATS.get(schema.get("format", ""), "text")
        text = text.ljust(schema.get("minLength", 0), "x")
        return text[: schema.get("maxLength", len(text))]
    if kind in ("integer", "number"):
        step = schema.get("multipleOf", 1)
        if "exclusiveMinimum" in schema:
            return (schema["exclusiveMinimum"] // step + 1) * step
        if "minimum" in schema:
            return -(-schema["minimum"] // step) * step
        return min(step, schema.get("maximum", step))
    return False if kind == "boolean" else None


def values_in(text: str) -> Iterator[Any]:
    """The JSON objects and lists that stand in a text."""
    reader = json.JSONDecoder()
    at = 0
    while at < len(text):
        if text[at] in "{[":
            try:
                value, at = reader.raw_decode(text, at)
            except ValueError:
                at += 1
                continue
            yield value
        else:
            at += 1
