"""Parameters of a backend, written down once.

A backend declares its infer parameters as a frozen dataclass whose fields are made with
:func:`parameter`. Validation, help, completion, the reference page and forms all read that class.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from byzer_lab.errors import InvalidRequestError

P = TypeVar("P")
Kind = type[bool] | type[int] | type[float] | type[str]

_WORDS: dict[Kind, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """One parameter, for whoever shows or completes it.

    Attributes:
        name: Its name.
        kind: ``bool``, ``int``, ``float`` or ``str``.
        default: ``None`` where the engine or the model decides.
        help: One sentence.
        unit: Unit of the number, such as ``tokens``.
        least: Smallest value.
        most: Largest value.
        choices: The only texts allowed; empty: any.
        aliases: Other names for it.
    """

    name: str
    kind: Kind
    default: Any
    help: str
    unit: str = ""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    def read(self, value: Any) -> Any:
        """Check a value; numbers and truth values may be written as text.

        Raises:
            InvalidRequestError: It is of another kind or out of bounds.
        """
        if value is None:
            return None
        read = _convert(self.kind, value)
        fits = (
            read is not None
            and (self.least is None or read >= self.least)
            and (self.most is None or read <= self.most)
            and (not self.choices or read in self.choices)
        )
        if not fits:
            raise InvalidRequestError(f"{self.name} is {value!r}; it must be {self.accepted}.")
        return read

    @property
    def accepted(self) -> str:
        """What may be given, in words: ``a whole number of at least 1``."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        words = _WORDS[self.kind]
        if self.least is not None and self.most is not None:
            return f"{words} from {self.least:g} to {self.most:g}"
        if self.least is not None:
            return f"{words} of at least {self.least:g}"
        if self.most is not None:
            return f"{words} of at most {self.most:g}"
        return words


def parameter(
    default: Any,
    help: str,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
) -> Any:
    """A field of a backend's parameter class; arguments as in :class:`ParameterInfo`."""
    metadata = {
        "help": help,
        "unit": unit,
        "least": least,
        "most": most,
        "choices": choices,
        "aliases": aliases,
    }
    return dataclasses.field(default=default, metadata=metadata)


def describe_parameters(parameters: type[Any]) -> list[ParameterInfo]:
    """The parameters of a backend's class, in their order."""
    hints = typing.get_type_hints(parameters)
    return [
        ParameterInfo(field.name, _kind(hints[field.name]), field.default, **field.metadata)
        for field in dataclasses.fields(parameters)
    ]


def read_parameters(parameters: type[P], given: Mapping[str, Any], backend: str) -> P:
    """Check infer parameters.

    Args:
        parameters: The backend's class.
        given: As the deployment has them.
        backend: Name of the backend, for messages.

    Raises:
        InvalidRequestError: An unknown name, the same one twice, or a value that doesn't fit.
    """
    known = {name: info for info in describe_parameters(parameters) for name in _names(info)}
    values: dict[str, Any] = {}
    for name, value in given.items():
        info = known.get(name)
        if info is None:
            raise _unknown(name, list(known), backend)
        if info.name in values:
            raise InvalidRequestError(f"{info.name} is given twice, also as {name!r}.")
        if value is not None:
            values[info.name] = info.read(value)
    return parameters(**values)


def _names(info: ParameterInfo) -> tuple[str, ...]:
    return (info.name, *info.aliases)


def _unknown(name: str, known: list[str], backend: str) -> InvalidRequestError:
    close = get_close_matches(name, known, n=2)
    there = f"it has: {', '.join(sorted(known))}."
    hint = f"did you mean {' or '.join(close)}?" if close else there
    return InvalidRequestError(
        f"The {backend} backend has no parameter {name!r}; {hint}", parameter=name
    )


def _kind(hint: Any) -> Kind:
    """``int`` of ``int | None``."""
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    kind: Kind = hint
    return kind


def _convert(kind: Kind, value: Any) -> Any:
    """The value as that kind; ``None`` where it isn't."""
    if kind is bool:
        if isinstance(value, str):
            return {"true": True, "false": False}.get(value.lower())
        return value if isinstance(value, bool) else None
    if kind is str:
        return value if isinstance(value, str) else None
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
