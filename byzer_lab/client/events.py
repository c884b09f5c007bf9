"""Callbacks before and after a model is asked: ``llm.add_event_callback``."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest


class EventName(enum.StrEnum):
    """When a callback is called."""

    BEFORE_CALL_MODEL = "before_call_model"
    AFTER_CALL_MODEL = "after_call_model"


Callback = Callable[[Any, str, list[dict[str, Any]]], Any]
"""Given the client, the model's name and a list with one dict: before, the request, which it may
change; after, the result, with ``predict``, ``metadata`` and ``input``. It returns a pair: whether
to go on, and, where not, the list of one result that takes the place of the model's (``None``: go
on all the same)."""


class Callbacks:
    """The callbacks of one client, in the order in which they were added."""

    def __init__(self) -> None:
        self._all: dict[EventName, list[Callback]] = {name: [] for name in EventName}

    def add(self, name: EventName | str, callback: Callback) -> None:
        """Add one.

        Raises:
            InvalidRequestError: There is no such event, or the callback is no function.
        """
        try:
            event = EventName(name)
        except ValueError as error:
            raise InvalidRequestError(
                f"There is no event {name!r}; there is: {', '.join(EventName)}."
            ) from error
        if not callable(callback):
            raise InvalidRequestError(f"{callback!r} is no function that can be called back.")
        self._all[event].append(callback)

    def before(
        self, llm: Any, model: str, request: GenerateRequest
    ) -> tuple[GenerateRequest, dict[str, Any] | None]:
        """Call those before a question.

        Returns:
            The request as they leave it, and the result that takes the answer's place.

        Raises:
            InvalidRequestError: What one made of the request is none, or its answer is no pair.
        """
        if not self._all[EventName.BEFORE_CALL_MODEL]:
            return request, None
        asked: list[dict[str, Any]] = [msgspec.to_builtins(request)]
        result = self._called(EventName.BEFORE_CALL_MODEL, llm, model, asked)
        try:
            [changed] = asked
            return msgspec.convert(changed, GenerateRequest), result
        except (msgspec.ValidationError, ValueError) as error:
            raise InvalidRequestError(
                f"What a callback before the call made of the request is none: {error}."
            ) from error

    def after(self, llm: Any, model: str, result: dict[str, Any]) -> dict[str, Any] | None:
        """Call those after an answer; what takes its place, if anything does."""
        if not self._all[EventName.AFTER_CALL_MODEL]:
            return None
        return self._called(EventName.AFTER_CALL_MODEL, llm, model, [result])

    def _called(
        self, event: EventName, llm: Any, model: str, items: list[dict[str, Any]]
    ) -> dict[str, Any] | None:
        for callback in self._all[event]:
            returned = callback(llm, model, items)
            if not (isinstance(returned, tuple) and len(returned) == 2):
                raise InvalidRequestError(
                    f"A callback of {event} returned {returned!r}; it must return a pair: whether "
                    "to go on, and else what takes the answer's place."
                )
            goes_on, value = returned
            if not goes_on and value is not None:
                return _result(event, value)
        return None


def _result(event: EventName, value: Any) -> dict[str, Any]:
    one = value[0] if isinstance(value, list) and len(value) == 1 else None
    if not isinstance(one, dict) or "predict" not in one:
        raise InvalidRequestError(
            f"A callback of {event} returned {value!r} in the place of the answer; it must be a "
            'list of one dict with "predict", and maybe "metadata".'
        )
    return {"predict": one["predict"], "metadata": dict(one.get("metadata") or {})}
