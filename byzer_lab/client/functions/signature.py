"""What an empty function says: its name, its parameters, what it returns."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from byzer_lab.errors import InvalidRequestError


def callers_names(depth: int) -> dict[str, Any]:
    """Local names of a caller, for annotations that are texts.

    Args:
        depth: How many calls above the one who asks.
    """
    return dict(sys._getframe(depth + 1).f_locals)


def hints_of(function: Callable[..., Any], names: Mapping[str, Any]) -> dict[str, Any]:
    """The types of a function's parameters and of what it returns.

    Raises:
        InvalidRequestError: A name in them is not known.
    """
    try:
        return get_type_hints(function, localns=dict(names), include_extras=True)
    except NameError as error:
        raise InvalidRequestError(
            f"A type in the signature of {function.__name__} is not known: {error}."
        ) from error


def bind(
    signature: inspect.Signature, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    """The arguments of a call.

    Raises:
        TypeError: They don't fit; it names the function, as Python's own does.
    """
    try:
        return signature.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None


def returned(function: Callable[..., Any], hints: Mapping[str, Any], decorator: str) -> Any:
    """What a function says that it returns.

    Args:
        function: The empty function.
        hints: Its types.
        decorator: Who asks, for the error.

    Raises:
        InvalidRequestError: It doesn't say.
    """
    if not inspect.isfunction(function):
        raise InvalidRequestError(f"{decorator} decorates functions; {function!r} is none.")
    kind = hints.get("return")
    if kind in (None, type(None), inspect.Signature.empty):
        raise InvalidRequestError(
            f"The function {function.__name__} must say what it returns: a pydantic model or "
            f"another class, as in 'def {function.__name__}(...) -> Time:'."
        )
    return kind
