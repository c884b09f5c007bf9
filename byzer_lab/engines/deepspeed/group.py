"""Requests to the ranks, tokens back to the requests' loops, and an end for every request."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import itertools
import threading
from collections.abc import AsyncGenerator, Sequence

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.engines.deepspeed.processes import RankProcesses
from byzer_lab.engines.deepspeed.protocol import (
    Add,
    Drop,
    Progress,
    RankSetup,
    Ready,
    Token,
    Tokens,
)
from byzer_lab.engines.plan import GenerationPlan
from byzer_lab.errors import ByzerLabError, EngineDeadError


class RankGroup:
    """The ranks of one model, loaded and running.

    Args:
        setups: Of the ranks, in their order.
        report: Told what rank 0 is at.

    Raises:
        ByzerLabError: A rank could not load; none of them is left.
    """

    def __init__(self, setups: Sequence[RankSetup], report: ReportProgress) -> None:
        self._processes = RankProcesses(setups)
        self._boxes: dict[int, _Box] = {}
        self._numbers = itertools.count()
        self._closed = False
        self._failure: EngineDeadError | None = None
        self._messages = self._processes.messages()
        try:
            self.ready = self._load(len(setups), report)
        except BaseException:
            self._processes.end()
            self._processes.close()
            raise
        # A process that forgets to close must still be able to end.
        self._reader = threading.Thread(target=self._read, name="ranks", daemon=True)
        self._reader.start()

    @property
    def process_ids(self) -> list[int]:
        """Of the ranks, in their order."""
        return self._processes.process_ids

    @property
    def open_requests(self) -> int:
        """Requests that are not answered yet."""
        return len(self._boxes)

    async def stream(self, plan: GenerationPlan) -> AsyncGenerator[list[int]]:
        """Tokens of one request as they come; closing the iterator takes it out of the batch.

        Raises:
            EngineDeadError: The ranks failed or were closed.
        """
        number = next(self._numbers)
        self._boxes[number] = box = _Box()
        finished = False
        try:
            # Whoever fails the boxes has set the failure before: one of both is seen.
            self._refuse_when_dead()
            held = plan.constraint.unstarted() if plan.constraint is not None else None
            self._send(Add(number, dataclasses.replace(plan, constraint=held)))
            while not finished:
                token = await box.next()
                finished = token is None or token.last
                if token is None:
                    self._refuse_when_dead()
                    return
                if plan.notes is not None and token.logprob is not None:
                    told = token.logprob
                    plan.notes.add(
                        told.token, told.logprob, [(one.token, one.logprob) for one in told.top]
                    )
                yield [token.token]
        finally:
            del self._boxes[number]
            if not finished:
                with contextlib.suppress(EngineDeadError):
                    self._send(Drop(number))

    def close(self) -> None:
        """End all ranks and fail what is running."""
        self._closed = True
        self._processes.end()
        self._reader.join()

    def _load(self, world: int, report: ReportProgress) -> list[Ready]:
        ready: dict[int, Ready] = {}
        for rank, message in self._messages:
            if isinstance(message, Progress) and rank == 0:
                report(LoadProgress(message.phase, message.fraction))
            if isinstance(message, Ready):
                ready[rank] = message
            if len(ready) == world:
                break
        return [ready[rank] for rank in range(world)]

    def _read(self) -> None:
        """The reader's thread: lives as long as the ranks."""
        try:
            for _, message in self._messages:
                if isinstance(message, Tokens):
                    self._deliver(message.tokens)
        except ByzerLabError as error:
            words = "The model was shut down." if self._closed else error.message
            self._failure = EngineDeadError(words)
        self._processes.end()
        self._processes.close()
        for box in list(self._boxes.values()):
            box.put(None)

    def _deliver(self, tokens: list[Token]) -> None:
        for token in tokens:
            box = self._boxes.get(token.number)
            if box is not None:
                box.put(token)

    def _send(self, message: Add | Drop) -> None:
        try:
            self._processes.send(message)
        except OSError as error:
            raise self._failure or EngineDeadError("The model's ranks are gone.") from error

    def _refuse_when_dead(self) -> None:
        if self._failure is not None:
            raise EngineDeadError(self._failure.message)


class _Box:
    """Tokens of one request, for the loop that waits for them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tokens: asyncio.Queue[Token | None] = asyncio.Queue()

    def put(self, token: Token | None) -> None:
        """From any thread. ``None``: no token will follow."""
        # A loop that was closed has nobody left to hear of it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tokens.put_nowait, token)

    async def next(self) -> Token | None:
        return await self._tokens.get()
