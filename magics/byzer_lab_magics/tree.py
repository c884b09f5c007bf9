"""Objects as trees: what a model answered with a class, or called with what arguments."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from typing import Any

from byzer_lab_magics.show import Bundle, escape

_FONT = (
    "font-family: var(--jp-code-font-family); font-size: var(--jp-code-font-size); "
    "color: var(--jp-content-font-color1)"
)
_NAME = "color: var(--jp-mirror-editor-property-color, var(--jp-ui-font-color2))"
_TYPE = "color: var(--jp-ui-font-color2)"
_VALUE = "white-space: pre-wrap; overflow-wrap: anywhere"
OPEN_DEPTH = 2
"""Branches so deep are open at first."""
DEEPEST = 50
"""Branches so deep are not shown, nor are those inside of themselves."""


def tree(value: Any, name: str = "") -> Bundle:
    """The bundle of a value: a tree to open and close, and indented text.

    Args:
        value: A model's instance, a dataclass, a dict, a list, or a leaf.
        name: What stands before it.
    """
    html = f'<div style="{_FONT}">{_html(value, name, ())}</div>'
    return {"text/html": html, "text/plain": "\n".join(_lines(value, name, ()))}


def branches(value: Any) -> list[tuple[str, Any]] | None:
    """The named parts of a value; ``None`` of a leaf."""
    fields = getattr(type(value), "model_fields", None)
    if isinstance(fields, dict):
        extra = getattr(value, "model_extra", None) or {}
        return [*((key, getattr(value, key)) for key in fields), *extra.items()]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, Mapping):
        return [(str(key), item) for key, item in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(str(index), item) for index, item in enumerate(value)]
    return None


def _kind(value: Any, parts: list[tuple[str, Any]]) -> str:
    kind = type(value).__name__
    return f"{kind}, {len(parts)}" if isinstance(value, list | tuple | set | frozenset) else kind


def _shown(value: Any, above: tuple[int, ...]) -> list[tuple[str, Any]] | None:
    """The branches that are shown.

    Args:
        value: What has them.
        above: The ``id`` of each value that it stands in.
    """
    return None if id(value) in above or len(above) >= DEEPEST else branches(value)


def _leaf(value: Any) -> str:
    if branches(value):
        return f"{type(value).__name__} …"
    return value if isinstance(value, str) else repr(value.value if _is_enum(value) else value)


def _is_enum(value: Any) -> bool:
    return isinstance(value, enum.Enum)


def _html(value: Any, name: str, above: tuple[int, ...]) -> str:
    label = f'<span style="{_NAME}">{escape(name)}</span>: ' if name else ""
    parts = _shown(value, above)
    if parts is None:
        return f'<div>{label}<span style="{_VALUE}">{escape(_leaf(value))}</span></div>'
    inside = "".join(_html(item, key, (*above, id(value))) for key, item in parts)
    kind = f'<span style="{_TYPE}">{escape(_kind(value, parts))}</span>'
    if not parts:
        return f"<div>{label}{kind}</div>"
    opened = " open" if len(above) < OPEN_DEPTH else ""
    return (
        f"<details{opened}><summary>{label}{kind}</summary>"
        f'<div style="padding-left: 1.5em">{inside}</div></details>'
    )


def _lines(value: Any, name: str, above: tuple[int, ...]) -> list[str]:
    depth = len(above)
    start = "  " * depth + (f"{name}: " if name else "")
    parts = _shown(value, above)
    if parts is None:
        first, *rest = _leaf(value).split("\n")
        return [start + first, *("  " * (depth + 1) + line for line in rest)]
    lines = [start + _kind(value, parts)]
    for key, item in parts:
        lines += _lines(item, key, (*above, id(value)))
    return lines
