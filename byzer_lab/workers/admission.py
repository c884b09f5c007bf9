"""How many requests a worker answers at a time, and how many may wait."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType

from byzer_lab.errors import NotReadyError, QueueFullError, WorkerBusyError
from byzer_lab.types import Progress


class Admission:
    """Slots for running requests and places for waiting ones, first come first served.

    Args:
        name: Name of the deployment, for messages.
        slots: Most requests answered at a time.
        places: Most requests that wait.

    Attributes:
        progress: Of the request that told its own last; ``None`` while none tells.
    """

    def __init__(self, name: str, slots: int, places: int) -> None:
        self.name = name
        self._slots = slots
        self._places = places
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.in_flight = 0
        self.finished = 0
        self.draining = False
        self.progress: Progress | None = None

    @property
    def queued(self) -> int:
        """Requests that wait now."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Nothing runs and nothing waits."""
        return self.in_flight == 0 and not self._waiting

    def refuse_when_busy(self) -> None:
        """For a request that is not to wait, because another worker may be free.

        Raises:
            WorkerBusyError: All slots are taken; its details hold ``requests``, how many there are.
        """
        if self.in_flight >= self._slots and not self.draining:
            requests = self.in_flight + self.queued
            raise WorkerBusyError(
                f"This worker of {self.name!r} has {requests} requests already.", requests=requests
            )

    async def __aenter__(self) -> None:
        """Take a slot, waiting for one where necessary.

        Raises:
            NotReadyError: The worker is draining.
            QueueFullError: All slots and all places are taken.
        """
        if self.draining:
            raise NotReadyError(f"This worker of {self.name!r} is going down.")
        if self.in_flight < self._slots:
            self.in_flight += 1
            return
        if len(self._waiting) >= self._places:
            raise QueueFullError(
                f"{self.name!r} is full: {self.in_flight} requests are being answered and "
                f"{len(self._waiting)} wait, which is its limit; try again in a moment, or scale "
                "it up."
            )
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._pass_on()  # the slot came in the same moment: hand it to the next one
            elif place in self._waiting:  # not so when a slot passed it by, cancelled as it was
                self._waiting.remove(place)
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.finished += 1
        self._pass_on()

    def _pass_on(self) -> None:
        """Give a free slot to whoever waits longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self.in_flight -= 1
