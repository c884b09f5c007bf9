"""One request in the loop, and the way of its tokens to the reader."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable

from byzer_lab.engines.llama_cpp.sampling import Sampler
from byzer_lab.engines.transformers.plan import GenerationPlan
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


class Sequence:
    """One request from its arrival to its last token.

    Args:
        plan: The request.

    Attributes:
        tokens: Prompt and answer so far.
        stored: How many of them the cache holds.
        slot: Its number in the cache; ``None`` while it waits.
        cancelled: The reader is gone.
        box: Where its tokens go.
        sampler: Chooses them.
    """

    def __init__(self, plan: GenerationPlan) -> None:
        self.plan = plan
        self.tokens = list(plan.prompt)
        self.stored = 0
        self.slot: int | None = None
        self.cancelled = False
        self.box = Mailbox()
        self.sampler = Sampler(plan)

    @property
    def waiting_tokens(self) -> int:
        """Tokens that are not in the cache yet: one when only the newest is missing."""
        return len(self.tokens) - self.stored

    def add(self, token: int) -> bool:
        """Take in the next token; whether the answer is over."""
        self.tokens.append(token)
        made = len(self.tokens) - len(self.plan.prompt)
        return token in self.plan.end_tokens or made >= self.plan.max_tokens


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
