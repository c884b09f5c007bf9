"""Fits a schema to what an engine or a provider takes. Each step only loosens: whatever fits the
schema before fits it after. Answers are validated against the whole class all the same."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from byzer_lab.client.typed.parsing import WRAPPED
from byzer_lab.errors import InvalidRequestError, ProviderRequestError

Schema = dict[str, Any]
REFUSALS = (InvalidRequestError, ProviderRequestError)
"""Errors that may be about a schema: a looser one is tried before they are raised."""
OBJECTS_ONLY = ("json_schema", "tool", "json_object")
"""Values of ``structured_output`` of those that take schemas of objects only."""

_RARE = {
    "$anchor", "$comment", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "contains",
    "contentEncoding", "contentMediaType", "contentSchema", "dependencies", "dependentRequired",
    "dependentSchemas", "discriminator", "else", "format", "if", "maxContains", "maxProperties",
    "minContains", "minProperties", "multipleOf", "not", "pattern", "patternProperties",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties", "uniqueItems",
}  # fmt: skip
"""Keywords that not every engine holds."""
_BOUNDS = {
    "exclusiveMaximum", "exclusiveMinimum", "maxItems", "maxLength", "maximum", "minItems",
    "minLength", "minimum",
}  # fmt: skip
LEVELS: tuple[set[str], ...] = (set(), _RARE, _RARE | _BOUNDS)
"""What is dropped of a schema, from nothing to all that only bounds it."""
_ONE = ("additionalProperties", "contains", "items", "additionalItems")
_MANY = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("$defs", "definitions", "patternProperties", "properties")


def ladder(schema: Schema, structured: str) -> Iterator[Schema | None]:
    """What to send, one after the other until the engine takes it; ``None`` is no schema.

    Args:
        schema: Of the answer.
        structured: The deployment's ``structured_output``; empty: it takes none.
    """
    if structured:
        rooted = as_object(schema) if structured in OBJECTS_ONLY else schema
        if rooted is not None:
            sent: list[Schema] = []
            for dropped in LEVELS:
                looser = loosened(rooted, dropped)
                if looser not in sent:
                    sent.append(looser)
                    yield looser
    yield None


def as_object(schema: Schema) -> Schema | None:
    """The schema of an object that is, or holds, what the schema describes.

    Returns:
        The schema itself where it is an object's; else one of an object with the key ``value``;
        ``None`` where references stand in the way.
    """
    return own_object(schema) or _wrapped(schema)


def is_wrapped(schema: Schema) -> bool:
    """Whether :func:`as_object` puts what the schema describes into an object."""
    return own_object(schema) is None and _wrapped(schema) is not None


def own_object(schema: Schema) -> Schema | None:
    """The schema with ``type: object`` at its root; ``None`` where it is not that of an object."""
    if schema.get("type") == "object" and "$ref" not in schema:
        return schema
    definitions = _definitions(schema)
    root, _, name = str(schema.get("$ref", "")).removeprefix("#/").partition("/")
    target = definitions.get(root, {}).get(name)
    alone = set(schema) <= {"$ref", *definitions}
    if alone and isinstance(target, dict) and target.get("type") == "object":
        return None if "$ref" in target else {**copy.deepcopy(target), **definitions}
    return None


def _wrapped(schema: Schema) -> Schema | None:
    if any(not ref.startswith(("#/$defs/", "#/definitions/")) for ref in _references(schema)):
        return None
    definitions = _definitions(schema)
    inner = {key: value for key, value in schema.items() if key not in definitions}
    return {
        "type": "object",
        "properties": {WRAPPED: inner},
        "required": [WRAPPED],
        "additionalProperties": False,
        **definitions,
    }


def _definitions(schema: Schema) -> Schema:
    return {key: schema[key] for key in ("$defs", "definitions") if key in schema}


def loosened(schema: Any, dropped: set[str]) -> Any:
    """A copy without these keywords and whatever only means something beside them."""
    if not isinstance(schema, dict) or not dropped:
        return copy.deepcopy(schema)
    kept: Schema = {}
    for key, value in schema.items():
        if key in dropped:
            continue
        if key in _ONE:
            kept[key] = _each(value, dropped)
        elif key in _MANY and isinstance(value, list):
            kept[key] = [loosened(item, dropped) for item in value]
        elif key in _NAMED and isinstance(value, dict):
            kept[key] = {name: loosened(item, dropped) for name, item in value.items()}
        else:
            kept[key] = copy.deepcopy(value)
    if "patternProperties" in schema and "patternProperties" in dropped:
        kept.pop("additionalProperties", None)  # it was about what matched no pattern
    if "oneOf" in kept:  # "at least one" is looser than "exactly one"
        either = {"anyOf": kept.pop("oneOf")}
        if "anyOf" in kept:
            kept["allOf"] = [*kept.get("allOf", []), either]
        else:
            kept |= either
    return kept


def _each(value: Any, dropped: set[str]) -> Any:
    if isinstance(value, list):
        return [loosened(item, dropped) for item in value]
    return loosened(value, dropped)


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            yield from _references(value)
    elif isinstance(node, list):
        for item in node:
            yield from _references(item)
