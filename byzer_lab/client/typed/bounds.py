"""A schema with an end: for models that, held to a schema, never close a list by themselves.

Whatever fits the bounded schema fits the schema itself. References are written out, a class inside
of itself only so often, so that nothing can grow without limit but open dicts.
"""

from __future__ import annotations

from typing import Any

from byzer_lab.client.typed.schemas import Schema

ITEMS = 3
"""Most items of a list that has no limit."""
CHARACTERS = 120
"""Most characters of a text that has no limit."""
LARGEST = 10**9
"""The largest amount of a number that has no limit at all."""
DEPTH = 2
"""How often a class may stand inside of itself."""
NODES = 3000
"""A schema that gets larger is not bounded."""

IMPOSSIBLE = object()
_DEFINITIONS = ("$defs", "definitions")
_SAYING = ("$ref", *_DEFINITIONS, "title", "description", "default", "examples", "deprecated")
"""What beside a reference bounds nothing."""
_UNTOUCHED = {
    "contains", "dependentSchemas", "else", "if", "not", "patternProperties", "propertyNames",
    "then", "unevaluatedItems", "unevaluatedProperties",
}  # fmt: skip
"""Keywords whose schemas stay as they are."""
_LIMITS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "enum", "const"}
_PREFIXES = ("#/$defs/", "#/definitions/")


class _UnboundableError(Exception):
    """The bounded schema is too large, or what fits it might not fit the schema."""


def bounded(schema: Schema) -> Schema | None:
    """The schema with an end.

    Returns:
        The bounded one; ``None`` where there is none, or it is no other than the schema.
    """
    try:
        made = _Bounds(schema).of(schema, ())
    except _UnboundableError:
        return None
    return None if made is IMPOSSIBLE or made == schema else made


class _Bounds:
    def __init__(self, schema: Schema) -> None:
        self._root = schema
        self._nodes = 0

    def of(self, node: Any, inside: tuple[str, ...]) -> Any:
        """A node, bounded; :data:`IMPOSSIBLE` where it can only hold what is too deep.

        Args:
            node: A schema.
            inside: The references that led to it.
        """
        self._nodes += 1
        if self._nodes > NODES:
            raise _UnboundableError
        if not isinstance(node, dict):
            return IMPOSSIBLE if node is False else node
        if "$ref" in node:
            return self._reference(node, inside)
        kept = {key: value for key, value in node.items() if key not in _DEFINITIONS}
        exclusive = "oneOf" in kept and "discriminator" not in kept
        if exclusive or any("$ref" in repr(kept[key]) for key in _UNTOUCHED & kept.keys()):
            raise _UnboundableError
        for key in ("anyOf", "oneOf"):
            if key in kept:
                branches = [self.of(one, inside) for one in kept[key]]
                kept[key] = [one for one in branches if one is not IMPOSSIBLE]
                if not kept[key]:
                    return IMPOSSIBLE
        if "allOf" in kept:
            kept["allOf"] = [self.of(one, inside) for one in kept["allOf"]]
            if IMPOSSIBLE in kept["allOf"]:
                return IMPOSSIBLE
        if isinstance(kept.get("properties"), dict) and not self._properties(kept, inside):
            return IMPOSSIBLE
        if isinstance(kept.get("additionalProperties"), dict):
            values = self.of(kept["additionalProperties"], inside)
            kept["additionalProperties"] = False if values is IMPOSSIBLE else values
        if kept.get("type") == "array" and not self._items(kept, inside):
            return IMPOSSIBLE
        free = not {"maxLength", "pattern", "format", "enum", "const"} & kept.keys()
        if kept.get("type") == "string" and free:
            kept["maxLength"] = max(CHARACTERS, kept.get("minLength", 0))
        if kept.get("type") in ("integer", "number") and not _LIMITS & kept.keys():
            kept |= {"minimum": -LARGEST, "maximum": LARGEST}
        return kept

    def _reference(self, node: Schema, inside: tuple[str, ...]) -> Any:
        reference = node["$ref"]
        if inside.count(reference) >= DEPTH:
            return IMPOSSIBLE
        prefix = next((one for one in _PREFIXES if reference.startswith(one)), "")
        definitions = self._root.get(prefix.strip("#/"), {})
        name = reference.removeprefix(prefix)
        if not prefix or name not in definitions:
            raise _UnboundableError
        target = self.of(definitions[name], (*inside, reference))
        beside = {key: value for key, value in node.items() if key not in _SAYING}
        rest = self.of(beside, inside) if beside else {}
        if target is IMPOSSIBLE or rest is IMPOSSIBLE:
            return IMPOSSIBLE
        return {"allOf": [target, rest]} if rest else target

    def _properties(self, node: Schema, inside: tuple[str, ...]) -> bool:
        made = {name: self.of(one, inside) for name, one in node["properties"].items()}
        lost = [name for name, one in made.items() if one is IMPOSSIBLE]
        if set(lost) & set(node.get("required", [])):
            return False
        node["properties"] = {name: one for name, one in made.items() if name not in lost}
        if lost:
            if "patternProperties" in node:
                raise _UnboundableError  # a pattern could let them in again
            node["additionalProperties"] = False
        return True

    def _items(self, node: Schema, inside: tuple[str, ...]) -> bool:
        least = node.get("minItems", 0)
        first = [self.of(one, inside) for one in node.get("prefixItems", [])]
        if IMPOSSIBLE in first:
            return False
        if first:
            node["prefixItems"] = first
        items = self.of(node.get("items", True), inside)
        if items is IMPOSSIBLE:
            node["items"] = False
            node["maxItems"] = len(first)
            return bool(least <= len(first))
        if "items" in node:
            node["items"] = items
        node.setdefault("maxItems", max(ITEMS, least, len(first)))
        return True
