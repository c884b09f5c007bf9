"""What waits, of all requests, in common passes through the model."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from byzer_lab.errors import ByzerLabError, EngineError, describe

In = TypeVar("In")
Out = TypeVar("Out")
LOOK_AHEAD = 4
"""Texts of like length are looked for among so many passes' worth of the oldest ones."""
WORTHWHILE = 1 / 8
"""A pass of this share of its bound is large enough for the hardware ..."""
MOST_PADDING = 1.15
"""... and from then on holds at most so many tokens for each one that is read."""


@dataclass(frozen=True)
class Options:
    """Settings that all texts of one pass have in common.

    Attributes:
        normalize: Scale vectors to length 1.
        max_length: Cut texts to so many tokens.
        batch_size: Most texts of the pass.
    """

    normalize: bool
    max_length: int
    batch_size: int


class MicroBatches(Generic[In, Out]):
    """Runs a model on one thread, over whatever waits when it becomes free.

    A pass holds the text that waits longest and those of nearly its length, whichever requests
    they belong to, so that little is padding and nobody is passed over for long.

    Args:
        run: One pass: as many results as inputs, in their order.
        most_tokens: Bound of one pass, padding included.
    """

    def __init__(self, run: Callable[[list[In], Options], Sequence[Out]], most_tokens: int) -> None:
        self._run = run
        self._most_tokens = most_tokens
        self._waiting: deque[_Item[In]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="micro-batches", daemon=True)
        self._thread.start()

    async def submit(self, inputs: list[In], tokens: list[int], options: Options) -> list[Out]:
        """Results of one request, in order. Cancelling it takes out what has not been run.

        Args:
            inputs: Its texts or pairs.
            tokens: Their lengths.
            options: Its settings.

        Raises:
            EngineError: The model failed or was closed.
        """
        job = _Job(len(inputs))
        with self._changed:
            if self._closed:
                raise _shut_down()
            self._waiting.extend(
                _Item(value, length, options, job, place)
                for place, (value, length) in enumerate(zip(inputs, tokens, strict=True))
            )
            self._changed.notify()
        try:
            return await job.answer
        finally:
            job.over = True

    def close(self) -> None:
        """Fail what waits and end the thread. Blocks until the present pass is over."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _work(self) -> None:
        while batch := self._next_pass():
            try:
                results = self._run([item.value for item in batch], batch[0].options)
            except Exception as error:
                known = (
                    error
                    if isinstance(error, ByzerLabError)
                    else EngineError(f"The model failed: {describe(error)}")
                )
                for item in batch:
                    item.job.fail(known)
            else:
                for item, result in zip(batch, results, strict=True):
                    item.job.put(item.place, result)
        for item in self._waiting:
            item.job.fail(_shut_down())

    def _next_pass(self) -> list[_Item[In]]:
        """Take the next pass out of what waits; empty when closed."""
        with self._changed:
            while True:
                while self._waiting and self._waiting[0].gone:
                    self._waiting.popleft()
                if self._waiting or self._closed:
                    break
                self._changed.wait()
            if self._closed:
                return []
            batch = self._near(self._waiting[0])
            for item in batch:
                item.taken = True
            return batch

    def _near(self, oldest: _Item[In]) -> list[_Item[In]]:
        """An item and those nearest to its length, as many as one pass may hold."""
        size = oldest.options.batch_size
        alike = (item for item in self._waiting if not item.gone and item.options == oldest.options)
        near = sorted(
            itertools.islice(alike, LOOK_AHEAD * size),
            key=lambda item: abs(item.tokens - oldest.tokens),
        )
        batch: list[_Item[In]] = []
        longest = read = 0
        for item in near:
            longest = max(longest, item.tokens)
            read += item.tokens
            padded = longest * (len(batch) + 1)
            wasteful = padded > self._most_tokens * WORTHWHILE and padded > read * MOST_PADDING
            if batch and (len(batch) == size or padded > self._most_tokens or wasteful):
                break
            batch.append(item)
        return batch


class _Job:
    """One request: collects its results on the model's thread, answers on its own loop."""

    def __init__(self, size: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._results: list[Any] = [None] * size
        self._missing = size
        self.answer: asyncio.Future[list[Any]] = self._loop.create_future()
        self.over = False

    def put(self, place: int, result: Any) -> None:
        self._results[place] = result
        self._missing -= 1
        if not self._missing:
            self._tell(lambda: self.answer.set_result(self._results))

    def fail(self, error: ByzerLabError) -> None:
        if not self.over:
            self.over = True
            self._tell(lambda: self.answer.set_exception(error))

    def _tell(self, tell: Callable[[], None]) -> None:
        def tell_who_waits() -> None:
            if not self.answer.done():
                tell()

        # A loop that was closed has nobody left to hear of it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell_who_waits)


@dataclass(eq=False, slots=True)
class _Item(Generic[In]):
    value: In
    tokens: int
    options: Options
    job: _Job
    place: int
    taken: bool = False

    @property
    def gone(self) -> bool:
        """It has been run, or nobody waits for it any more."""
        return self.taken or self.job.over


def _shut_down() -> EngineError:
    return EngineError("The model was shut down.")
