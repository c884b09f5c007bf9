"""Schemas of typed answers: JSON Schema, or columns as ``create table`` writes them."""

from __future__ import annotations

import json
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from byzer_lab.errors import InvalidRequestError

_TEXTS = {"VARCHAR", "TEXT", "CHAR", "NVARCHAR", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPNTZ"}
_WHOLE = {"INT", "BIGINT", "SMALLINT", "TINYINT", "UINT", "UBIGINT"}
_NUMBERS = {"DOUBLE", "FLOAT", "DECIMAL"}


def read_schema(text: str) -> dict[str, Any]:
    """A schema as JSON Schema of an object.

    Args:
        text: JSON Schema, or columns such as ``name STRING, age INT, tags ARRAY<STRING>``.

    Raises:
        InvalidRequestError: It is neither.
    """
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise InvalidRequestError(f"The schema is not JSON: {error}.") from error
        if found.get("type") != "object" or not found.get("properties"):
            raise InvalidRequestError(
                'The schema must be of an object with properties: {"type": "object", '
                '"properties": {"name": {"type": "string"}}}.'
            )
        return dict(found)
    bare = text.strip()
    if bare.upper().startswith("STRUCT<"):
        bare = bare[len("STRUCT<") : -1]
    try:
        kind = sqlglot.parse_one(f"STRUCT<{bare}>", into=exp.DataType, read="spark")
        schema = _of_type(kind)
    except (SqlglotError, AttributeError) as error:
        raise InvalidRequestError(
            f"The schema {text!r} can't be read; write JSON Schema, or columns such as "
            "'name STRING, age INT, tags ARRAY<STRING>'."
        ) from error
    return schema


def _of_type(kind: exp.DataType) -> dict[str, Any]:
    name = kind.this.value
    if name == "STRUCT":
        properties = {field.name: _of_type(field.args["kind"]) for field in kind.expressions}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    if name in ("ARRAY", "LIST"):
        return {"type": "array", "items": _of_type(kind.expressions[0])}
    if name in _WHOLE:
        return {"type": "integer"}
    if name in _NUMBERS:
        return {"type": "number"}
    if name == "BOOLEAN":
        return {"type": "boolean"}
    if name in _TEXTS:
        return {"type": "string"}
    raise InvalidRequestError(
        f"A schema can't have the type {name}; use STRING, INT, BIGINT, DOUBLE, BOOLEAN, "
        "ARRAY<...> or STRUCT<...>."
    )


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether an answer has what a schema demands at its top: an object with the required names."""
    return isinstance(value, dict) and all(name in value for name in schema.get("required", []))
