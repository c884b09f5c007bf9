"""``typing.TypedDict`` for pydantic, which reads its own only from Python 3.12 on."""

from __future__ import annotations

import sys
import types
from typing import (  # fmt: skip
    Annotated,
    Any,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

NEEDLESS = sys.version_info >= (3, 12)


def readable(asked: Any) -> Any:
    """A type with each ``typing.TypedDict`` in it replaced by one that pydantic reads; those
    inside of classes are left."""
    if NEEDLESS:
        return asked
    if is_typeddict(asked):
        return _typed_dict(asked) if type(asked).__module__ == "typing" else asked
    origin, arguments = get_origin(asked), get_args(asked)
    if origin in (Union, types.UnionType):
        return Union[tuple(map(readable, arguments))]  # noqa: UP007
    if origin is Annotated:
        return Annotated[readable(arguments[0]), *arguments[1:]]
    if origin in (list, dict, tuple, set, frozenset):
        return origin[tuple(map(readable, arguments))]
    return asked


def _typed_dict(asked: Any) -> Any:
    import typing_extensions  # comes with pydantic

    fields = {}
    for name, hint in get_type_hints(asked, include_extras=True).items():
        bare = get_args(hint)[0] if get_origin(hint) in (Required, NotRequired) else hint
        kind = readable(bare)
        fields[name] = kind if name in asked.__required_keys__ else NotRequired[kind]
    made: Any = typing_extensions.TypedDict  # type: ignore[assignment, unused-ignore]
    return made(asked.__name__, fields)
