"""Byzer-LLM's spelling of a job's parameters: ``sfft.int.max_length``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import given_twice

TYPES = ("float", "int", "bool", "str", "list", "dict")


def plain_names(given: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Parameters by their own names.

    Args:
        given: Some may be written as ``PREFIX.TYPE.NAME`` or ``PREFIX.NAME``.
        prefix: ``sft`` or ``sfft``.

    Raises:
        InvalidRequestError: A type is unknown, or a parameter stands there twice.
    """
    found: dict[str, Any] = {}
    written: dict[str, str] = {}
    for spelling, value in given.items():
        first, *rest = spelling.split(".")
        name = spelling
        if first == prefix and rest:
            if len(rest) > 1 and rest[0] not in TYPES:
                raise InvalidRequestError(
                    f"{spelling!r} has the type {rest[0]!r}; it must be one of {', '.join(TYPES)}, "
                    f"as in {prefix}.int.{rest[-1]}."
                )
            name = ".".join(rest[1:]) if len(rest) > 1 else rest[0]
        if name in written:
            raise given_twice(written[name], spelling)
        written[name] = spelling
        found[name] = value
    return found
