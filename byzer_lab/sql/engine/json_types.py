"""What a JSON Schema says of the type of a column."""

from __future__ import annotations

from typing import Any


def typed_names(schema: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The type that a schema names, and the schemas of its parts.

    Returns:
        ``object`` with its properties, ``array`` with ``items``, the name of a plain type, or
        an empty text where any JSON fits.
    """
    kind = schema.get("type")
    if isinstance(kind, list):  # such as ["string", "null"]
        kind = next((one for one in kind if one != "null"), None)
    if kind == "object":
        return ("object", schema["properties"]) if schema.get("properties") else ("", {})
    if kind == "array":
        return "array", {"items": schema.get("items") or {}}
    if kind is None and "enum" in schema and all(isinstance(v, str) for v in schema["enum"]):
        kind = "string"
    return str(kind or ""), {}
