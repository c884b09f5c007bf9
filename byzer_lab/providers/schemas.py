"""JSON schemas as providers take them that hold answers to schemas.

What they don't know is left out, which only loosens. Objects are closed, which only narrows: what
fits the result fits what the caller asked for, but for what was left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ALWAYS = frozenset(
    {"$ref", "$defs", "definitions", "type", "title", "description", "enum", "const", "anyOf"}
    | {"properties", "required", "additionalProperties", "items", "oneOf", "allOf"}
)
"""Keywords that all of them know, or that are turned into such."""
LOST = frozenset(
    {"not", "if", "patternProperties", "dependentSchemas", "$dynamicRef", "prefixItems"}
)
"""Keywords without which a schema means something else."""
FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)


@dataclass(frozen=True)
class Rules:
    """What a provider takes.

    Attributes:
        knows: Keywords beside :data:`ALWAYS`.
        all_required: Every property must be required.
        recursive: A schema may refer to itself.
    """

    knows: frozenset[str]
    all_required: bool
    recursive: bool


OPENAI = Rules(
    frozenset(
        {"pattern", "format", "multipleOf", "maximum", "exclusiveMaximum", "minimum"}
        | {"exclusiveMinimum", "minItems", "maxItems"}
    ),
    all_required=True,
    recursive=True,
)
"""https://platform.openai.com/docs/guides/structured-outputs#supported-schemas"""
CLAUDE = Rules(frozenset({"format"}), all_required=False, recursive=False)
"""https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations"""


class _UnfitError(Exception):
    pass


def closed(schema: dict[str, Any], rules: Rules) -> dict[str, Any] | None:
    """A schema as a provider takes it.

    Args:
        schema: Of an object.
        rules: The provider's.

    Returns:
        A copy; ``None`` where it can't be said in what the provider takes, as of objects with any
        keys.
    """
    try:
        found = _closed(schema, rules)
    except _UnfitError:
        return None
    if not rules.recursive and _refers_to_itself(found):
        return None
    return found if found.get("type") == "object" else None


def _closed(schema: Any, rules: Rules) -> dict[str, Any]:
    if not isinstance(schema, dict) or LOST & schema.keys():
        raise _UnfitError
    if "$ref" in schema:  # nothing may stand beside it
        if not str(schema["$ref"]).startswith("#"):
            raise _UnfitError
        return {"$ref": schema["$ref"], **_definitions(schema, rules)}
    if "allOf" in schema:
        return _alone(schema, rules)
    if not {"type", "enum", "const", "anyOf", "oneOf"} & schema.keys():
        raise _UnfitError  # anything at all
    found: dict[str, Any] = {}
    for name, value in schema.items():
        if name in ("anyOf", "oneOf"):
            found["anyOf"] = [_closed(one, rules) for one in value]
        elif name == "items":
            found[name] = _closed(value, rules)
        elif name == "format" and value not in FORMATS:
            continue
        elif name in ("type", "title", "description", "enum", "const") or name in rules.knows:
            found[name] = value
    if "array" in _types(schema) and "items" not in schema:
        raise _UnfitError
    if "object" in _types(schema):
        found |= _object(schema, rules)
    return {**found, **_definitions(schema, rules)}


def _alone(schema: dict[str, Any], rules: Rules) -> dict[str, Any]:
    """A schema that says ``allOf`` one other, as some libraries wrap a reference."""
    if len(schema["allOf"]) != 1 or schema.keys() & {"type", "properties", "anyOf", "enum"}:
        raise _UnfitError
    return _closed(schema["allOf"][0], rules) | _definitions(schema, rules)


def _object(schema: dict[str, Any], rules: Rules) -> dict[str, Any]:
    properties = schema.get("properties") or {}
    if not properties and schema.get("additionalProperties") is not False:
        raise _UnfitError  # any keys
    required = [name for name in schema.get("required", []) if name in properties]
    if len(required) != len(schema.get("required", [])):
        raise _UnfitError
    return {
        "properties": {name: _closed(value, rules) for name, value in properties.items()},
        "required": list(properties) if rules.all_required else required,
        "additionalProperties": False,
    }


def _definitions(schema: dict[str, Any], rules: Rules) -> dict[str, Any]:
    return {
        key: {name: _closed(value, rules) for name, value in schema[key].items()}
        for key in ("$defs", "definitions")
        if key in schema
    }


def _types(schema: dict[str, Any]) -> list[str]:
    kind = schema.get("type", [])
    return [kind] if isinstance(kind, str) else kind


def _refers_to_itself(schema: dict[str, Any]) -> bool:
    definitions = {
        f"#/{key}/{name}": set(_references(value))
        for key in ("$defs", "definitions")
        for name, value in schema.get(key, {}).items()
    }
    if any(reference not in definitions for reference in _references(schema)):
        return True  # into the middle of something, or to its root
    reached = {start: set(found) for start, found in definitions.items()}
    for _ in definitions:
        for start in reached:
            reached[start] |= set().union(*(definitions[one] for one in reached[start]), set())
    return any(start in found for start, found in reached.items())


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield str(value)
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)
