"""Values on their way into the sandbox and out of it.

Arguments are JSON that also has a form for what JSON has no word for, such as
``{"is": "date", "of": "2026-11-25"}``; every dict is ``{"is": "dict", "of": [[key, value], ...]}``.
Results are plain JSON.
"""

from __future__ import annotations

import base64
import dataclasses
import datetime
import decimal
import enum
import json
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from byzer_lab.errors import InvalidRequestError

MOST_DEEP = 100


class Record:
    """An object of a class that the sandbox doesn't have: fields as attributes and as keys.

    A field may be called like a method here, which it then hides.
    """

    def __init__(self, pairs: Iterable[tuple[str, Any]] = (), /, **fields: Any) -> None:
        self.__dict__.update(pairs, **fields)

    def __getitem__(self, name: str) -> Any:
        return self.__dict__[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value

    def __contains__(self, name: object) -> bool:
        return name in self.__dict__

    def __iter__(self) -> Iterator[str]:
        return iter(self.__dict__)

    def __len__(self) -> int:
        return len(self.__dict__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Record({self.__dict__!r})"

    def model_dump(self) -> dict[str, Any]:
        """As pydantic's."""
        return dict(self.__dict__)

    def keys(self) -> Iterable[str]:
        """As a dict's."""
        return self.__dict__.keys()

    def values(self) -> Iterable[Any]:
        """As a dict's."""
        return self.__dict__.values()

    def items(self) -> Iterable[tuple[str, Any]]:
        """As a dict's."""
        return self.__dict__.items()

    def get(self, name: str, default: Any = None) -> Any:
        """As a dict's."""
        return self.__dict__.get(name, default)


def encode(value: Any, name: str, depth: int = 0) -> Any:
    """A value as JSON data for :func:`decode`.

    Args:
        value: Plain data, dates, decimals, UUIDs, bytes, sets, enums, dataclasses and pydantic
            models, nested at will.
        name: How an error calls it.
        depth: How deep it is nested.

    Raises:
        InvalidRequestError: It holds something else.
    """
    if depth > MOST_DEEP:
        raise InvalidRequestError(f"{name} is nested more than {MOST_DEEP} levels deep.")
    if isinstance(value, enum.Enum):
        return encode(value.value, name, depth + 1)
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list):
        return [encode(item, name, depth + 1) for item in value]
    if isinstance(value, tuple | set | frozenset):
        kind = "tuple" if isinstance(value, tuple) else "set"
        return {"is": kind, "of": [encode(item, name, depth + 1) for item in value]}
    if isinstance(value, bytes):
        return {"is": "bytes", "of": base64.b64encode(value).decode("ascii")}
    if isinstance(value, datetime.timedelta):
        return {"is": "timedelta", "of": [value.days, value.seconds, value.microseconds]}
    for kind, (known, write, _) in TEXTS.items():
        if isinstance(value, known):
            return {"is": kind, "of": write(value)}
    fields = _fields(value)
    if fields is not None:
        return {"is": "record", "of": _pairs(fields, name, depth)}
    if isinstance(value, dict):
        return {"is": "dict", "of": _pairs(value, name, depth)}
    raise InvalidRequestError(
        f"{name} holds a {type(value).__name__}, which can't go into the sandbox. Pass plain data "
        "(numbers, texts, lists, dicts, dates, dataclasses, pydantic models), or run the function "
        "in this process with unsafe=True."
    )


def encode_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """``args`` and ``kwargs`` of a request.

    Raises:
        InvalidRequestError: One of them can't go into the sandbox.
    """
    return {
        "args": [encode(value, f"argument {place + 1}") for place, value in enumerate(args)],
        "kwargs": {name: encode(value, f"the argument {name!r}") for name, value in kwargs.items()},
    }


def _pairs(items: dict[Any, Any], name: str, depth: int) -> list[Any]:
    return [
        [encode(key, name, depth + 1), encode(item, name, depth + 1)] for key, item in items.items()
    ]


TEXTS: dict[str, tuple[type, Callable[[Any], str], Callable[[str], Any]]] = {
    # a datetime is a date too: it comes first
    "datetime": (
        datetime.datetime,
        datetime.datetime.isoformat,
        datetime.datetime.fromisoformat,
    ),
    "date": (datetime.date, datetime.date.isoformat, datetime.date.fromisoformat),
    "time": (datetime.time, datetime.time.isoformat, datetime.time.fromisoformat),
    "decimal": (decimal.Decimal, str, decimal.Decimal),
    "uuid": (uuid.UUID, str, uuid.UUID),
}
"""Kinds that are written as a text: class, how it is written, how it is read."""


def decode(data: Any) -> Any:
    """What :func:`encode` wrote; an object of a class comes back as a :class:`Record`."""
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    kind, content = data["is"], data["of"]
    if kind in TEXTS:
        return TEXTS[kind][2](content)
    if kind == "bytes":
        return base64.b64decode(content)
    if kind == "timedelta":
        return datetime.timedelta(*content)
    if kind in ("tuple", "set"):
        items = (decode(item) for item in content)
        return tuple(items) if kind == "tuple" else set(items)
    pairs = {decode(key): decode(item) for key, item in content}
    return Record(pairs.items()) if kind == "record" else pairs


def to_json(value: Any) -> str:
    """A result as plain JSON.

    Raises:
        ValueError, TypeError, RecursionError: JSON can't hold it.
    """
    return json.dumps(value, allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON writes for an object that it doesn't know."""
    if isinstance(value, Record):
        return vars(value)
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    for known, write, _ in TEXTS.values():
        if isinstance(value, known):
            return write(value)
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return list(value)
    fields = _fields(value)
    if fields is not None:
        return fields
    for method in ("tolist", "to_pylist", "to_list"):  # arrays and their numbers, columns
        if callable(call := getattr(value, method, None)):
            return call()
    if callable(call := getattr(value, "to_dict", None)):  # a pandas table
        return call(orient="records")
    raise TypeError(f"a {type(value).__name__} is no JSON")


def _fields(value: Any) -> dict[str, Any] | None:
    """The fields of a dataclass or of a pydantic model."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    names = getattr(type(value), "model_fields", None)
    if isinstance(names, dict) and hasattr(value, "model_dump"):
        return {name: getattr(value, name) for name in names}
    return None
