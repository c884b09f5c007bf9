"""What the registry's methods answer: JSON bytes, an error included."""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec

import msgspec

from byzer_lab.errors import ByzerLabError, describe
from byzer_lab.jobs import JobRecord
from byzer_lab.records import OperationRecord

P = ParamSpec("P")


class Answer(msgspec.Struct):
    """What a method answers.

    Attributes:
        status: HTTP status.
        body: JSON.
    """

    status: int
    body: bytes


def answers(method: Callable[P, Awaitable[Any]]) -> Callable[P, Awaitable[Answer]]:
    """Let a method answer with JSON; an error too is an answer."""

    @functools.wraps(method)
    async def call(*args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            value = await method(*args, **kwargs)
        except ByzerLabError as error:
            return Answer(error.status, msgspec.json.encode({"error": error.to_wire()}))
        except Exception as error:
            unforeseen = ByzerLabError(f"The registry failed: {describe(error)}")
            return Answer(500, msgspec.json.encode({"error": unforeseen.to_wire()}))
        going = isinstance(value, OperationRecord | JobRecord) and not value.finished_at
        return Answer(202 if going else 200, msgspec.json.encode(value))

    return call
