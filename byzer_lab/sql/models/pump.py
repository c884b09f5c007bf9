"""One bounded asynchronous pass over the questions of a stage.

As many requests are in flight as the deployment answers at a time, and never more. What has been
answered is kept at once, so that an interrupt, a crash or a budget loses only what was in flight.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from byzer_lab.errors import (
    ByzerLabError,
    NotReadyError,
    ProviderAuthenticationError,
    ProviderQuotaError,
    ProviderRateLimitError,
    ProviderUnavailableError,
    QueueFullError,
    WorkerLostError,
)
from byzer_lab.sql.models.questions import Question
from byzer_lab.sql.models.store import Answer

Ask = Callable[[Question], Awaitable[Answer]]
Keep = Callable[[list[tuple[bytes, Answer]]], None]

AGAIN = (
    QueueFullError,
    NotReadyError,
    ProviderRateLimitError,
    ProviderUnavailableError,
    WorkerLostError,
)
"""Errors that pass: the question is asked again after a pause."""
HOPELESS = (ProviderAuthenticationError, ProviderQuotaError)
"""Errors that every further question would get as well; no more are asked."""
TRIES = 5
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 20.0
KEEP_EVERY_S = 0.25


@dataclass
class Counts:
    """How a pass is going.

    Attributes:
        total: Distinct questions.
        cached: Those whose answers were known.
        ok, failed: Those asked.
        input_tokens, output_tokens: Of the questions asked.
        in_flight: Being asked now.
        most_in_flight: The most at a time.
        started: Seconds of the monotonic clock.
    """

    total: int = 0
    cached: int = 0
    ok: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    started: float = 0.0

    @property
    def done(self) -> int:
        """Answered, one way or another."""
        return self.cached + self.ok + self.failed

    @property
    def tokens(self) -> int:
        """Of the questions asked."""
        return self.input_tokens + self.output_tokens

    def add(self, other: Counts) -> None:
        """Count another pass as well."""
        for name in ("total", "cached", "ok", "failed", "input_tokens", "output_tokens"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.most_in_flight = max(self.most_in_flight, other.most_in_flight)


class Pump:
    """A pass.

    Args:
        ask: Asks the model; an error of ours that it raises is the question's.
        keep: Takes answers, several at a time.
        limit: Most requests in flight.
        max_tokens: No more is asked once so many tokens were spent; ``None``: no bound.
        counts: What to count in.
    """

    def __init__(
        self, ask: Ask, keep: Keep, limit: int, counts: Counts, max_tokens: int | None = None
    ) -> None:
        self._ask = ask
        self._keep = keep
        self._limit = limit
        self._max_tokens = max_tokens
        self._counts = counts
        self._fresh: list[tuple[bytes, Answer]] = []
        self._kept_at = time.monotonic()
        self._hopeless = ""
        self.out_of_tokens = False

    async def run(self, questions: Sequence[tuple[bytes, Question]]) -> None:
        """Ask them all. Cancelling it keeps what was answered."""
        waiting = iter(questions)
        workers = [
            asyncio.create_task(self._work(waiting))
            for _ in range(min(self._limit, len(questions)))
        ]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            self._flush()

    async def _work(self, waiting: Iterator[tuple[bytes, Question]]) -> None:
        counts = self._counts
        for key, question in waiting:
            if self._max_tokens is not None and counts.tokens >= self._max_tokens:
                self.out_of_tokens = True
                return
            counts.in_flight += 1
            counts.most_in_flight = max(counts.most_in_flight, counts.in_flight)
            try:
                answer = await self._answer(question)
            finally:
                counts.in_flight -= 1
            counts.ok += not answer.error
            counts.failed += bool(answer.error)
            counts.input_tokens += answer.input_tokens
            counts.output_tokens += answer.output_tokens
            self._fresh.append((key, answer))
            if len(self._fresh) & 63 == 0 or time.monotonic() - self._kept_at > KEEP_EVERY_S:
                self._flush()

    async def _answer(self, question: Question) -> Answer:
        for attempt in itertools.count(1):
            if self._hopeless:
                return Answer(error=self._hopeless)
            try:
                return await self._ask(question)
            except AGAIN as error:
                if attempt == TRIES:
                    return Answer(error=error.message)
                pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (attempt - 1))
                await asyncio.sleep(float(error.details.get("retry_after_s") or pause))
            except ByzerLabError as error:
                if isinstance(error, HOPELESS):
                    self._hopeless = error.message
                return Answer(error=error.message)
        raise AssertionError("the loop ends with an answer")

    def _flush(self) -> None:
        fresh, self._fresh = self._fresh, []
        self._kept_at = time.monotonic()
        if fresh:
            self._keep(fresh)
