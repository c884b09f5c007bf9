"""A JSON schema as the library can hold it, or why it can't.

What the library would hold too widely is made narrower here, never wider: an answer that fits this
schema fits the caller's. What it can't hold is refused by name and place.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from byzer_lab.engines.structured.formats import HELD, PATTERNS, STANDARD, beside
from byzer_lab.errors import InvalidRequestError

_MAPS = ("properties", "patternProperties")
_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalItems", "additionalProperties")
# What can't be held, and the value that means nothing there.
_UNHELD: dict[str, Any] = {
    "not": False,
    "if": None,
    "then": None,
    "else": None,
    "uniqueItems": False,
    "contains": None,
    "minContains": None,
    "maxContains": None,
    "propertyNames": True,
    "dependencies": {},
    "dependentRequired": {},
    "dependentSchemas": {},
    "unevaluatedItems": True,
    "unevaluatedProperties": True,
    "$dynamicRef": None,
    "$recursiveRef": None,
}
_REMARKS = {
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "discriminator",
    "$comment",
    "$defs",
    "definitions",
    "$schema",
    "$id",
    "$anchor",
}
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_MOST_MULTIPLES = 512
_GREATEST = 10**18  # the library reckons with floats, and has this one exactly
_OPTIONS = {
    "whitespace_flexible": False,
    "whitespace_pattern": None,
    # These are patterns: a space may follow, as in what most models were trained on.
    "item_separator": ", ?",
    "key_separator": ": ?",
    "coerce_one_of": False,
    "lenient": False,
}


def refusal(place: str, words: str) -> InvalidRequestError:
    """What is said of a part of a schema that can't be held."""
    return InvalidRequestError(f"The schema can't be guaranteed: {words} at {place}.", place=place)


def held_schema(schema: dict[str, Any], *, whole: str = "#") -> dict[str, Any]:
    """The schema as the library holds it, a copy.

    Args:
        schema: The caller's.
        whole: How the schema itself is called in errors.

    Raises:
        InvalidRequestError: It can't be held; the sentence names the keyword and its place.
    """
    held, _ = _walked(schema, whole)
    return held


def held_parts(schema: dict[str, Any], whole: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The parts of a schema that an answer can meet, as schemas of their own, outer ones first.

    Args:
        schema: The caller's; :func:`held_schema` takes it.
        whole: How the schema itself is called.
    """
    held, parts = _walked(schema, whole)
    shared: dict[str, Any] = {
        key: held[key] for key in ("$defs", "definitions", "x-guidance") if key in held
    }
    for place, part in parts:
        yield place, {**shared, **part}


def _walked(
    schema: dict[str, Any], whole: str
) -> tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]:
    try:
        held = copy.deepcopy(schema)
        walk = _Walk(held, whole)
        walk.visit(held, whole)
    except RecursionError as error:
        raise refusal(whole, "a schema nested so deeply can't be held") from error
    for node in walk.closable():
        node["additionalProperties"] = False
    held["x-guidance"] = _OPTIONS
    return held, walk.parts


class _Walk:
    """Goes through every part of a schema that an answer can meet, and narrows it in place."""

    def __init__(self, root: dict[str, Any], whole: str) -> None:
        self._root = root
        self._whole = whole
        self._seen: set[int] = set()
        self._composed: list[dict[str, Any]] = []  # several parts describe one value together
        self._objects: list[dict[str, Any]] = []  # that may be closed to other keys
        self.parts: list[tuple[str, dict[str, Any]]] = []

    def visit(self, node: Any, place: str) -> None:
        if isinstance(node, bool):
            return
        if not isinstance(node, dict):
            raise refusal(place, f"a schema is an object, not {node!r},")
        if id(node) in self._seen:
            return
        self._seen.add(id(node))
        self.parts.append((place, node))
        if node is not self._root:
            node.pop("x-guidance", None)
        self._refuse_unheld(node, place)
        self._narrow_text(node, place)
        self._narrow_number(node, place)
        if "$ref" in node:
            self._follow(node, place)
        kinds = {"$ref", "anyOf", "oneOf"} & node.keys()
        if "allOf" in node or (kinds and node.keys() - kinds - _REMARKS):
            self._composed.append(node)
        self._note_object(node)
        for key in _MAPS:
            for name, child in self._mapping(node, key, place).items():
                self.visit(child, f"{place}/{key}/{_escaped(name)}")
        for key in _LISTS:
            children = node.get(key, [])
            if not isinstance(children, list):
                raise refusal(f"{place}/{key}", f"{key} is a list, not {children!r},")
            for number, child in enumerate(children):
                self.visit(child, f"{place}/{key}/{number}")
        for key in _SINGLE:
            if isinstance(node.get(key), list):  # the old way to write prefixItems
                for number, child in enumerate(node[key]):
                    self.visit(child, f"{place}/{key}/{number}")
            elif key in node:
                self.visit(node[key], f"{place}/{key}")

    def closable(self) -> list[dict[str, Any]]:
        """The objects that no other part of the schema adds keys to."""
        open_ones: set[int] = set()
        waiting = list(self._composed)
        while waiting:
            node = waiting.pop()
            if not isinstance(node, dict) or id(node) in open_ones:
                continue
            open_ones.add(id(node))
            for key in ("allOf", "anyOf", "oneOf"):
                waiting += node.get(key, [])
            if "$ref" in node:
                waiting.append(self._target(node["$ref"]))
        return [node for node in self._objects if id(node) not in open_ones]

    def _target(self, reference: str) -> Any:
        pointer = reference[1:]
        if pointer and not pointer.startswith("/"):
            return _anchored(self._root, pointer)
        return _pointed(self._root, pointer)

    def _mapping(self, node: dict[str, Any], key: str, place: str) -> dict[str, Any]:
        found = node.get(key, {})
        if not isinstance(found, dict):
            raise refusal(f"{place}/{key}", f"{key} is an object, not {found!r},")
        return found

    def _refuse_unheld(self, node: dict[str, Any], place: str) -> None:
        if "if" in node and not {"then", "else"} & node.keys():
            del node["if"]
        if "if" not in node:
            node.pop("then", None)
            node.pop("else", None)
        if "contains" not in node:
            node.pop("minContains", None)
            node.pop("maxContains", None)
        for key, nothing in _UNHELD.items():
            if key not in node:
                continue
            value = node[key]
            if value is not None and value == nothing:
                del node[key]
            else:
                raise refusal(f"{place}/{key}", f"the keyword {key!r} can't be held")

    def _narrow_text(self, node: dict[str, Any], place: str) -> None:
        name = node.get("format")
        if name is not None:
            if name in STANDARD:
                raise refusal(f"{place}/format", f"the format {name!r} can't be held")
            if name in PATTERNS or name not in HELD:
                del node["format"]
        extra = [PATTERNS[name]] if name in PATTERNS else []
        pattern = node.get("pattern")
        if isinstance(pattern, str):
            extra += beside(pattern)
        if extra and "pattern" not in node:
            node["pattern"] = extra.pop()
        if extra:
            parts = [{"type": "string", "pattern": one} for one in extra]
            if "type" in node and node["type"] != "string":
                raise refusal(
                    f"{place}/pattern", f"the pattern {pattern!r} beside other types can't be held"
                )
            node["type"] = "string"
            node["allOf"] = [*node.get("allOf", []), *parts]

    def _narrow_number(self, node: dict[str, Any], place: str) -> None:
        for key in ("exclusiveMinimum", "exclusiveMaximum"):
            if isinstance(node.get(key), bool):
                raise refusal(f"{place}/{key}", f"{key} is true or false, and must be a number,")
        step = node.get("multipleOf")
        if isinstance(step, float) and not _is_exact(step):
            raise refusal(
                f"{place}/multipleOf", f"multiples of {step}, which computers round, can't be held"
            )
        if isinstance(step, int | float) and step > 0:
            self._list_multiples(node, place)
        elif node.get("type") == "integer" and not {"enum", "const"} & node.keys():
            # Without bounds digits could go on for ever.
            low, high = _bound(node, "inimum", max), _bound(node, "aximum", min)
            if low is None and (high is None or high > -_GREATEST):
                node["minimum"] = -_GREATEST
            if high is None and (low is None or low < _GREATEST):
                node["maximum"] = _GREATEST
        # The library lets 0 through between an excluded 0 and a bound nearer than 1.
        for excluded, other, included, sign in (
            ("exclusiveMinimum", ("maximum", "exclusiveMaximum"), "minimum", 1),
            ("exclusiveMaximum", ("minimum", "exclusiveMinimum"), "maximum", -1),
        ):
            bounds = [abs(node[key]) for key in other if isinstance(node.get(key), int | float)]
            near = bounds and 0 < min(bounds) <= 1 and "multipleOf" not in node
            if node.get(excluded) == 0 and near and node.get("type") != "integer":
                del node[excluded]
                node[included] = sign * min(bounds) / 1024

    def _list_multiples(self, node: dict[str, Any], place: str) -> None:
        """The library finds no multiples below 0: list them where they are few."""
        step, low, high = (
            node["multipleOf"],
            _bound(node, "inimum", max),
            _bound(node, "aximum", min),
        )
        first = None if low is None else math.ceil(low / step)
        last = None if high is None else math.floor(high / step)
        if first is not None and first * step == node.get("exclusiveMinimum"):
            first += 1
        if last is not None and last * step == node.get("exclusiveMaximum"):
            last -= 1
        numbers = {node["type"]} if isinstance(node.get("type"), str) else set()
        if first is not None and last is not None and last - first < _MOST_MULTIPLES:
            if first > last:
                raise refusal(
                    f"{place}/multipleOf", f"no multiple of {step} lies within the bounds"
                )
            if numbers & {"integer", "number"} and first < 0 and "enum" not in node:
                for key in ("multipleOf", *_BOUNDS, "type"):
                    node.pop(key, None)
                node["enum"] = [number * step for number in range(first, last + 1)]
        elif last is not None and last < 0:
            raise refusal(
                f"{place}/multipleOf", f"so many multiples of {step} below 0 can't be held"
            )

    def _note_object(self, node: dict[str, Any]) -> None:
        properties = node.get("properties")
        if not isinstance(properties, dict) or "patternProperties" in node:
            return
        if "additionalProperties" in node or set(node.get("required", ())) - properties.keys():
            return
        if node.get("minProperties", 0) > len(properties):
            return
        self._objects.append(node)

    def _follow(self, node: dict[str, Any], place: str) -> None:
        """Visit what a reference leads to."""
        reference = node["$ref"]
        here = f"{place}/$ref"
        if not isinstance(reference, str):
            raise refusal(here, f"$ref is a text, not {reference!r},")
        base = self._root.get("$id")
        if isinstance(base, str) and base and reference.startswith(base.rstrip("#")):
            node["$ref"] = reference = "#" + reference[len(base.rstrip("#")) :].lstrip("#")
        if not reference.startswith("#"):
            raise refusal(here, f"$ref leads to {reference!r}, outside of the schema,")
        found = self._target(reference)
        if found is None:
            raise refusal(here, f"$ref leads to {reference!r}, which isn't there,")
        self.visit(found, f"{self._whole}{reference[1:]}")


def _bound(node: dict[str, Any], ending: str, choose: Any) -> Any:
    found = [node.get(f"m{ending}"), node.get(f"exclusiveM{ending}")]
    found = [one for one in found if isinstance(one, int | float)]
    return choose(found) if found else None


def _is_exact(step: float) -> bool:
    """Whether the number as it is written is the number that a computer has."""
    return Fraction(str(step)) == Fraction(step)


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _pointed(root: Any, pointer: str) -> Any:
    found = root
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~").replace("%25", "%")
        if isinstance(found, dict) and name in found:
            found = found[name]
        elif isinstance(found, list) and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _anchored(node: Any, name: str) -> Any:
    """The part of a schema that bears an anchor."""
    if isinstance(node, dict) and name in (node.get("$anchor"), node.get("$dynamicAnchor")):
        return node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return next(
        (found for child in children if (found := _anchored(child, name)) is not None), None
    )
