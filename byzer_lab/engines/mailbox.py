"""Tokens on their way from an engine's thread to the asyncio loops that read them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from byzer_lab.errors import EngineError


class Mailbox:
    """Tokens of one request on their way to the asyncio loop that reads them."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._tokens: list[int] = []
        self._error: EngineError | None = None
        self._finished = False
        self._arrived = asyncio.Event()

    def put(self, tokens: list[int], finished: bool, error: EngineError | None) -> None:
        """Called on the reader's loop."""
        self._tokens += tokens
        self._finished = finished
        self._error = error
        self._arrived.set()

    async def take(self) -> tuple[list[int], bool]:
        """Tokens that came since the last call, and whether none will follow.

        Raises:
            EngineError: The answer broke off; every token before it was taken.
        """
        await self._arrived.wait()
        self._arrived.clear()
        tokens, self._tokens = self._tokens, []
        if self._error is not None and not tokens:
            raise self._error
        if self._error is not None:
            self._arrived.set()  # the error is for the next call
            return tokens, False
        return tokens, self._finished


Letter = tuple[Mailbox, list[int], bool, EngineError | None]


def deliver(letters: Iterable[Letter]) -> None:
    """Hand over to the readers; each loop is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Letter]] = {}
    for letter in letters:
        by_loop.setdefault(letter[0].loop, []).append(letter)
    for loop, mail in by_loop.items():
        # A loop that was closed has nobody left to hear of it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_hand_over, mail)


def _hand_over(letters: list[Letter]) -> None:
    for box, tokens, finished, error in letters:
        box.put(tokens, finished, error)
