"""The loop: many requests in one context, one step at a time, on one thread.

At each step new requests join, cancelled ones leave, every running answer gets its next token, and
what is left of the step reads prompts, piece by piece. When the cache is full, the youngest request
gives its place back and is read again later; the oldest always goes on, so every request ends.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from byzer_lab.engines.llama_cpp.context import CacheFullError, Context
from byzer_lab.engines.llama_cpp.sequence import Sequence
from byzer_lab.engines.mailbox import deliver
from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.engines.structured.masks import allowed_tokens
from byzer_lab.errors import EngineDeadError, EngineError, describe


class ContinuousBatch:
    """Runs requests together.

    Args:
        context: The loop's own from now on.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._changed = threading.Condition()  # guards what both sides use: the next three
        self._arrived: deque[Sequence] = deque()
        self._closed = False
        self._failure: BaseException | None = None
        self._waiting: deque[Sequence] = deque()
        self._running: list[Sequence] = []  # oldest first
        self._slots = list(range(context.slots))
        # Set when a request had to give its place back: admitting others at once would only make
        # them change places at every step.
        self._full = False
        self._thread = threading.Thread(target=self._run, name="llama.cpp", daemon=True)
        self._thread.start()

    @property
    def used_cells(self) -> int:
        """Tokens in the cache."""
        return sum(sequence.stored for sequence in tuple(self._running))

    async def stream(self, plan: GenerationPlan) -> AsyncGenerator[list[int]]:
        """Tokens of one request as they come; closing the iterator takes it out of the batch.

        Raises:
            EngineDeadError: The loop failed or was closed.
        """
        sequence = Sequence(plan)
        with self._changed:
            if self._closed or self._failure is not None:
                raise self._dead()
            self._arrived.append(sequence)
            self._changed.notify()
        finished = False
        try:
            while not finished:
                tokens, finished = await sequence.box.take()
                if tokens:
                    yield tokens
        finally:
            # The loop is awake while there is anything to leave.
            sequence.cancelled = True

    def close(self) -> None:
        """End the thread, fail what is running, and free the context. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._context.close()

    def _run(self) -> None:
        try:
            while self._take_in():
                self._step()
        except BaseException as error:
            with self._changed:
                self._failure = error
        with self._changed:
            open_requests = [*self._running, *self._waiting, *self._arrived]
            self._running, self._waiting = [], deque()
            self._arrived.clear()
            why = self._dead()
        deliver((sequence.box, [], True, why) for sequence in open_requests)

    def _dead(self) -> EngineError:
        if self._failure is not None:
            return EngineDeadError(f"The model's batch failed: {describe(self._failure)}")
        return EngineDeadError("The model was shut down.")

    def _take_in(self) -> bool:
        """Wait for something to do; false when the loop is to end."""
        with self._changed:
            while not (self._closed or self._arrived or self._waiting or self._running):
                self._changed.wait()
            self._waiting.extend(self._arrived)
            self._arrived.clear()
            return not self._closed

    def _step(self) -> None:
        for sequence in [one for one in self._running if one.cancelled]:
            self._leave(sequence)
        if any(one.cancelled for one in self._waiting):
            self._waiting = deque(one for one in self._waiting if not one.cancelled)
        self._admit()
        chosen = self._fill()
        while not chosen and self._running:
            self._give_back(self._running[-1])
            chosen = self._fill()
        if chosen:
            self._decode(chosen)

    def _admit(self) -> None:
        promised = sum(len(one.tokens) + 1 for one in self._running)
        while self._waiting and self._slots and not self._full:
            promised += len(self._waiting[0].tokens) + 1
            # Alone, every request fits: that was checked before it came.
            if self._running and promised > self._context.cells:
                return
            sequence = self._waiting.popleft()
            sequence.slot = self._slots.pop()
            self._running.append(sequence)

    def _fill(self) -> list[tuple[Sequence, int]]:
        """What the next step reads of each request, in tokens; empty when the cache is full."""
        room = min(self._context.batch, self._context.cells - self.used_cells)
        answering = [one for one in self._running if one.waiting_tokens == 1]
        if len(answering) > room:
            return []
        chosen = [(one, 1) for one in answering]
        room -= len(answering)
        for one in self._running:
            if room and one.waiting_tokens > 1:
                chosen.append((one, min(one.waiting_tokens, room)))
                room -= chosen[-1][1]
        return chosen

    def _decode(self, chosen: list[tuple[Sequence, int]]) -> None:
        pieces, complete = [], []
        for one, count in chosen:
            assert one.slot is not None
            last = count == one.waiting_tokens
            pieces.append((one.slot, one.stored, one.tokens[one.stored : one.stored + count], last))
            if last:
                complete.append(one)
        try:
            logits = self._context.decode(pieces)
        except CacheFullError:
            # Some models keep more than a place per token: then the step is tried with fewer.
            youngest = self._running[-1]
            if len(self._running) > 1:
                self._give_back(youngest)
            else:
                self._leave(youngest)
                error = EngineError("The request alone doesn't fit into the key-value cache.")
                deliver([(youngest.box, [], True, error)])
            return
        for one, count in chosen:
            one.stored += count
        letters = []
        masks = self._masks(complete)
        for one, row, allowed in zip(complete, logits, masks, strict=True):
            token = one.sampler.choose(row, allowed)
            finished = one.add(token)
            letters.append((one.box, [token], finished, None))
            if finished:
                self._leave(one)
        deliver(letters)

    def _masks(self, sequences: list[Sequence]) -> list[Any]:
        """Of each request, which tokens may come next; ``None`` where each may."""
        constraints = [one.sampler.constraint for one in sequences]
        held = [one for one in constraints if one is not None]
        if not held:
            return [None] * len(sequences)
        found = iter(allowed_tokens(held, self._context.vocabulary, self._context.threads))
        return [None if one is None else next(found) for one in constraints]

    def _leave(self, sequence: Sequence) -> None:
        """Take a request out for good."""
        self._release(sequence)
        self._full = False

    def _give_back(self, sequence: Sequence) -> None:
        """Make room: the request waits as the first in line and is read again later."""
        self._release(sequence)
        self._waiting.appendleft(sequence)
        self._full = bool(self._running)

    def _release(self, sequence: Sequence) -> None:
        assert sequence.slot is not None
        self._context.forget(sequence.slot)
        self._slots.append(sequence.slot)
        sequence.slot, sequence.stored = None, 0
        self._running.remove(sequence)
