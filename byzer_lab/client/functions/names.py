"""The caller's classes that written code may refer to, though the sandbox doesn't have them."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterable
from typing import Any, get_args, get_type_hints, is_typeddict


@dataclasses.dataclass
class Names:
    """Names for :meth:`byzer_lab.sandbox.sandbox.Sandbox.run`.

    Attributes:
        classes: Of classes, the names of their fields.
        enums: Of enums, their members; those whose values JSON can't hold are left out.
        own: All of them as they are, for code that runs in this process.
    """

    classes: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    enums: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    own: dict[str, type] = dataclasses.field(default_factory=dict, repr=False)


def names_in(types: Iterable[Any]) -> Names:
    """The classes and enums that types are made of, whatever they are nested in."""
    found, waiting, seen = Names(), list(types), set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        waiting += get_args(one)
        if not isinstance(one, type):
            continue
        if issubclass(one, enum.Enum):
            found.own[one.__name__] = one
            members = {name: member.value for name, member in one.__members__.items()}
            if all(isinstance(value, str | int | float | bool) for value in members.values()):
                found.enums[one.__name__] = members
            continue
        fields = _fields(one)
        if fields is not None:
            found.own[one.__name__] = one
            found.classes[one.__name__] = list(fields)
            waiting += fields.values()
    return found


def _fields(one: type) -> dict[str, Any] | None:
    """Fields and their types of a pydantic model, a dataclass or a TypedDict."""
    model = getattr(one, "model_fields", None)
    if isinstance(model, dict) and hasattr(one, "model_validate"):
        return {name: field.annotation for name, field in model.items()}
    if dataclasses.is_dataclass(one):
        hints = _hints(one)
        return {field.name: hints.get(field.name) for field in dataclasses.fields(one)}
    return _hints(one) if is_typeddict(one) else None


def _hints(one: type) -> dict[str, Any]:
    try:
        return get_type_hints(one)
    except NameError:  # of a class that is not known where the fields stand
        return dict(one.__annotations__)
