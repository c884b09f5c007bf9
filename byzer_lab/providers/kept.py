"""What a provider wants back with the calls that it made, and no message of ours can carry."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

MOST = 10_000
V = TypeVar("V")


class Kept(Generic[V]):
    """The latest values, by the ids of calls. A worker knows those of its own answers."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, V] = OrderedDict()

    def keep(self, call_id: str, value: V) -> None:
        """Keep a value; the oldest one goes where there are too many."""
        self._values[call_id] = value
        if len(self._values) > MOST:
            self._values.popitem(last=False)

    def get(self, call_id: str, otherwise: V) -> V:
        """The value of a call, where it is known."""
        return self._values.get(call_id, otherwise)
