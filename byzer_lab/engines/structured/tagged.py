"""Arguments of a call as tags, in the library's grammar; see :mod:`byzer_lab.tagged_calls`.

A text stands there as it is: its length and its options are held, its pattern and format are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from byzer_lab.engines.structured.schemas import held_schema, refusal
from byzer_lab.tagged_calls import KINDS, kinds_of

CLOSED = "\n</parameter>\n"
_COMPOSED = ("$ref", "anyOf", "oneOf", "allOf")


def tagged_rules(
    number: int, schema: dict[str, Any], place: str, literal: Callable[[str], str]
) -> tuple[str, list[str]]:
    """What stands between a tool's name and the end of its call.

    Args:
        number: Of the tool, for the names of rules.
        schema: Of its arguments, an object.
        place: How the schema is called in errors.
        literal: A text as the grammar has it.

    Returns:
        An expression, and the rules that it names.

    Raises:
        InvalidRequestError: A part of the schema can't be held.
    """
    if any(key in schema for key in _COMPOSED) or not isinstance(schema.get("properties"), dict):
        raise refusal(place, "arguments that are no plain list of parameters can't be written")
    required = schema.get("required") or []
    own = schema["properties"]
    properties = {**own, **{key: {} for key in required if key not in own}}
    parts, rules = [], []
    for at, (key, one) in enumerate(properties.items()):
        name = f"p{number}_{at}"
        value, more = _value(f"{number}_{at}", one, schema, f"{place}/properties/{key}", literal)
        rules += [f"{name}: {literal(f'<parameter={key}>' + chr(10))} {value}", *more]
        parts.append(name if key in required else f"{name}?")
    return " ".join(parts), rules


def _value(
    name: str, schema: Any, root: dict[str, Any], place: str, literal: Callable[[str], str]
) -> tuple[str, list[str]]:
    kinds = kinds_of(schema, root)
    closed = literal(CLOSED)
    if "string" not in kinds or kinds == KINDS:
        whole: dict[str, Any] = {key: root[key] for key in ("$defs", "definitions") if key in root}
        whole |= schema if isinstance(schema, dict) else {}
        return f"%json {json.dumps(held_schema(whole, whole=place))} {closed}", []
    options = schema.get("enum", [schema["const"]] if "const" in schema else None)
    if options is not None:
        texts = [one if isinstance(one, str) else json.dumps(one) for one in options]
        return f"({' | '.join(literal(one) for one in texts)}) {closed}", []
    branches = [one for one in schema.get("anyOf", ()) if "string" in kinds_of(one, root)]
    text = branches[0] if len(branches) == 1 else schema  # the text of a text or nothing
    least, most = text.get("minLength", 0), text.get("maxLength", "")
    length = f"{{{least},{most}}}" if least or most != "" else "*"
    nothing = f" | {literal('null')} {closed}" if "null" in kinds else ""
    return f"(v{name}{nothing})", [
        f"V{name}: /(?s:.{length})/ & ~/(?s:.*)<\\/parameter>(?s:.*)/",
        f"v{name}[lazy]: V{name} {json.dumps(CLOSED)}",
    ]
