"""Seeded drawing with a held-out side.

Every value or wording that may appear in a gate belongs to exactly one of two sides, decided by a
hash of its text alone. The training stream draws from one side, the gates from the other, so a
gate can never ask what training has shown, however long training runs.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

HELD_OUT_SHARE = 26  # of 256 hash values: about one text in ten is held out
_TRIES = 400


class NothingOnThisSide(Exception):
    """A pool has no entry on the side asked for; the caller draws another example."""


def is_held_out(text: str) -> bool:
    """Whether a text belongs to the held-out side (a pure function of the text)."""
    return hashlib.blake2b(text.encode(), digest_size=1).digest()[0] < HELD_OUT_SHARE


@dataclass
class Example:
    """One conversation. The last message is the assistant's: the answer that a gate expects."""

    skill: str
    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]] = field(default_factory=list)

    @property
    def answer(self) -> str:
        """The text of the last message."""
        return str(self.messages[-1]["content"])


def chat(skill: str, *turns: str, tools: Sequence[dict[str, Any]] = ()) -> Example:
    """An example from alternating user and assistant texts."""
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": text} for i, text in enumerate(turns)]
    return Example(skill, messages, list(tools))


class Draw:
    """A random source bound to one side of the split."""

    def __init__(self, rng: random.Random, held_out: bool = False) -> None:
        self.rng = rng
        self.held_out = held_out

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.rng.random() < probability

    def choice(self, options: Sequence[T]) -> T:
        """Any of the options, whatever its side (for frames and formats, not for values)."""
        return options[self.rng.randrange(len(options))]

    def sample(self, options: Sequence[T], count: int) -> list[T]:
        """Several different options."""
        return self.rng.sample(list(options), count)

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high], whatever its side."""
        return self.rng.randint(low, high)

    def make(self, maker: Callable[[], str]) -> str:
        """Call ``maker`` until its text lies on this side."""
        for _ in range(_TRIES):
            text = maker()
            if is_held_out(text) == self.held_out:
                return text
        raise NothingOnThisSide

    def pick(self, pool: Sequence[str]) -> str:
        """An entry of the pool that lies on this side."""
        return self.make(lambda: self.choice(pool))
