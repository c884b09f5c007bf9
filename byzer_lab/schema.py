"""Parameters of a backend, written down once.

A backend declares its infer parameters as a frozen dataclass whose fields are made with
:func:`parameter`. Validation, help, completion, the reference page and forms all read that class.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from byzer_lab.errors import InvalidRequestError

P = TypeVar("P")
Kind = type[Any]
"""``bool``, ``int``, ``float``, ``str``, ``list`` or ``dict``."""

_WORDS: dict[Kind, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: 'a mapping, such as {"name": "value"}',
}


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """One parameter, for whoever shows or completes it.

    Attributes:
        name: Its name.
        kind: ``bool``, ``int``, ``float``, ``str``, ``list`` or ``dict``.
        default: ``None`` where the engine or the model decides.
        help: One sentence.
        unit: Unit of the number, such as ``tokens``.
        least: Smallest value.
        above: The value must be greater than this.
        most: Largest value.
        choices: The only texts allowed; empty: any.
        aliases: Other names for it.
        items: Kind of a list's items.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    unit: str = ""
    least: float | None = None
    above: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    items: Kind = str

    def read(self, value: Any) -> Any:
        """Check a value; numbers and truth values may be written as text, lists as a text with
        commas, mappings as JSON.

        Raises:
            InvalidRequestError: It is of another kind or out of bounds.
        """
        if value is None:
            return None
        read = _convert(self.kind, value)
        if self.kind is list and read is not None:
            read = [_convert(self.items, item) for item in read]
        if not self._fits(read):
            raise InvalidRequestError(f"{self.name} is {value!r}; it must be {self.accepted}.")
        return read

    def _fits(self, read: Any) -> bool:
        items = read if self.kind is list and read is not None else [read]
        return all(
            item is not None
            and (self.least is None or item >= self.least)
            and (self.above is None or item > self.above)
            and (self.most is None or item <= self.most)
            and (not self.choices or item in self.choices)
            for item in items
        )

    @property
    def accepted(self) -> str:
        """What may be given, in words: ``a whole number of at least 1``."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = _WORDS[self.kind]
        if self.kind is list:
            return f"a list, each item {_WORDS[self.items]}"
        if self.above is not None:
            most = "" if self.most is None else f" and at most {self.most:.10g}"
            return f"{words} of more than {self.above:.10g}{most}"
        if self.least is not None and self.most is not None:
            return f"{words} from {self.least:.10g} to {self.most:.10g}"
        if self.least is not None:
            return f"{words} of at least {self.least:.10g}"
        if self.most is not None:
            return f"{words} of at most {self.most:.10g}"
        return words


def parameter(
    default: Any,
    help: str,
    *,
    unit: str = "",
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
) -> Any:
    """A field of a backend's parameter class; arguments as in :class:`ParameterInfo`."""
    metadata = {
        "help": help,
        "unit": unit,
        "least": least,
        "above": above,
        "most": most,
        "choices": choices,
        "aliases": aliases,
    }
    return dataclasses.field(default=default, metadata=metadata)


def describe_parameters(parameters: type[Any]) -> list[ParameterInfo]:
    """The parameters of a backend's class, in their order."""
    hints = typing.get_type_hints(parameters)
    described = []
    for field in dataclasses.fields(parameters):
        kind, items = _kind(hints[field.name])
        info = ParameterInfo(field.name, kind, field.default, **field.metadata, items=items)
        described.append(info)
    return described


def read_parameters(parameters: type[P], given: Mapping[str, Any], backend: str) -> P:
    """Check infer parameters.

    Args:
        parameters: The backend's class.
        given: As the deployment has them.
        backend: Name of the backend, for messages.

    Raises:
        InvalidRequestError: An unknown name, the same one twice, or a value that doesn't fit.
    """
    return parameters(
        **read_values(describe_parameters(parameters), given, f"The {backend} backend")
    )


def read_values(
    parameters: Iterable[ParameterInfo],
    given: Mapping[str, Any],
    owner: str,
    *,
    written: Mapping[str, str] | None = None,
    beside: Iterable[str] = (),
) -> dict[str, Any]:
    """Check values against described parameters.

    Args:
        parameters: What may be given.
        given: The values; ``None`` counts as not given.
        owner: Whose parameters they are, for messages, such as ``The vllm backend``.
        written: The names of ``given`` as the caller wrote them, for messages.
        beside: Names that the owner takes beside these parameters, for messages.

    Returns:
        Each given value under its parameter's own name, as its kind.

    Raises:
        InvalidRequestError: An unknown name, the same one twice, or a value that doesn't fit.
    """
    known = {name: info for info in parameters for name in _names(info)}
    values: dict[str, Any] = {}
    first: dict[str, str] = {}
    for name, value in given.items():
        info = known.get(name)
        if info is None:
            raise _unknown(name, [*known, *beside], owner)
        if value is None:
            continue
        spelling = (written or {}).get(name, name)
        if info.name in values:
            raise given_twice(first[info.name], spelling)
        first[info.name] = spelling
        values[info.name] = info.read(value)
    return values


def given_twice(first: str, second: str) -> InvalidRequestError:
    """The error of one parameter under two names, both as the caller wrote them."""
    return InvalidRequestError(f"{first} is given twice, also as {second!r}.")


def _names(info: ParameterInfo) -> tuple[str, ...]:
    return (info.name, *info.aliases)


def _unknown(name: str, known: list[str], owner: str) -> InvalidRequestError:
    close = get_close_matches(name, known, n=2)
    there = f"it has: {', '.join(sorted(known))}."
    hint = f"did you mean {' or '.join(close)}?" if close else there
    return InvalidRequestError(f"{owner} has no parameter {name!r}; {hint}", parameter=name)


def _kind(hint: Any) -> tuple[Kind, Kind]:
    """``int`` of ``int | None``; of a list also the kind of its items."""
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    kind = typing.get_origin(hint) or hint
    return kind, typing.get_args(hint)[0] if kind is list else str


def _convert(kind: Kind, value: Any) -> Any:
    """The value as that kind; ``None`` where it isn't."""
    if kind is bool:
        if isinstance(value, str):
            return {"true": True, "false": False}.get(value.lower())
        return value if isinstance(value, bool) else None
    if kind is str:
        return value if isinstance(value, str) else None
    if kind is list:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",")]
        return list(value) if isinstance(value, list | tuple) else [value]
    if kind is dict:
        return _mapping(value)
    if isinstance(value, bool):
        return None
    try:
        number = kind(value) if isinstance(value, str) else value
    except ValueError:
        return None
    if not isinstance(number, int | float) or not math.isfinite(number):
        return None
    if kind is int:
        return number if isinstance(number, int) else None
    return float(number)


def _mapping(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return None
    return value if isinstance(value, dict) else None
