"""Calls of tools that a model writes as tags, such as Qwen3-Coder:

    <function=NAME>
    <parameter=KEY>
    VALUE
    </parameter>
    </function>

A value stands there as it is where its schema takes a text, and as JSON elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

KINDS = frozenset(("string", "number", "integer", "boolean", "null", "array", "object"))
_FUNCTION = re.compile(r"<function=([^>\s]+)>(.*?)(?:</function>|\Z)", re.DOTALL)
_PARAMETER = re.compile(r"<parameter=([^>\s]+)>\n?(.*?)\n?</parameter>", re.DOTALL)
_OF_PYTHON = {"True": True, "False": False, "None": None}
"""How templates write what is no text in the calls that a model learns from."""
_MOST_REFERENCES = 32


def tagged_calls(
    text: str, schemas: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The calls in a text: the tool's name, and its arguments.

    Args:
        text: What a model wrote.
        schemas: JSON Schema of the arguments, by tool; those of another tool are read as JSON
            where they are JSON.
    """
    for name, inside in _FUNCTION.findall(text):
        root = schemas.get(name, {})
        own = root.get("properties", {})
        yield (
            name,
            {
                key: value_of(value, own.get(key, {}), root)
                for key, value in _PARAMETER.findall(inside)
            },
        )


def value_of(text: str, schema: Any, root: Mapping[str, Any]) -> Any:
    """The value of a parameter.

    Args:
        text: As it stands between the tags.
        schema: Of the parameter.
        root: The whole schema, for references.

    Returns:
        The value; the text itself where it is none, so that validation tells of it.
    """
    kinds = kinds_of(schema, root)
    if "string" in kinds and kinds != KINDS:
        return None if "null" in kinds and text.strip() in ("null", "None") else text
    try:
        return json.loads(text)
    except ValueError:
        return _OF_PYTHON.get(text.strip(), text)


def kinds_of(schema: Any, root: Mapping[str, Any], depth: int = 0) -> frozenset[str]:
    """The kinds of JSON values that a schema takes, so far as they can be told."""
    if not isinstance(schema, Mapping) or depth > _MOST_REFERENCES:
        return KINDS
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return frozenset(map(_kind, values))
    if isinstance(schema.get("$ref"), str):
        return kinds_of(_referred(schema["$ref"], root), root, depth + 1)
    found = KINDS
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            parts = [kinds_of(one, root, depth + 1) for one in schema[key]]
            found &= frozenset().union(*parts)
    for one in schema.get("allOf", []):
        found &= kinds_of(one, root, depth + 1)
    given = schema.get("type")
    if isinstance(given, str):
        found &= {given}
    elif isinstance(given, list):
        found &= frozenset(given)
    return found


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {str: "string", int: "integer", float: "number", list: "array",
                              dict: "object"}  # fmt: skip
    return names.get(type(value), "null")


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    node: Any = root
    for part in reference.removeprefix("#").strip("/").split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        node = node.get(name, {}) if isinstance(node, Mapping) else {}
    return node
