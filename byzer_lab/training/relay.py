"""The line from the processes of a training group to the job's process.

An actor between them keeps what the first rank says until the job's process takes it, and carries
the user's wish to stop the other way. A step never waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import sys
import threading
from dataclasses import dataclass, field
from typing import Any

from byzer_lab.errors import ByzerLabError
from byzer_lab.jobs import JobReport
from byzer_lab.training.channel import Channel

_EVERY_S = 0.5


@dataclass
class Parcel:
    """What one process says at once.

    Attributes:
        reports: For the job's channel.
        printed: What it printed.
        error: Wire form of an error that another start would not mend.
        result: What the first rank's loop returned.
    """

    reports: list[JobReport] = field(default_factory=list)
    printed: str = ""
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None

    def __bool__(self) -> bool:
        return bool(self.reports or self.printed or self.error or self.result is not None)


class Relay:
    """The actor. It runs where the job's process does."""

    def __init__(self) -> None:
        self._parcels: list[Parcel] = []
        self._some = asyncio.Event()
        self._stop = False

    async def send(self, parcel: Parcel) -> bool:
        """Keep a parcel; returns whether the user wants to stop."""
        if parcel:
            self._parcels.append(parcel)
            self._some.set()
        return self._stop

    async def take(self, stop: bool, wait_s: float) -> list[Parcel]:
        """What came since the last call; waits for it at most so long.

        Args:
            stop: The user wants to stop.
            wait_s: Seconds.
        """
        self._stop = self._stop or stop
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._some.wait(), wait_s)
        parcels, self._parcels = self._parcels, []
        self._some.clear()
        return parcels


class Line:
    """A process's end: a :class:`~byzer_lab.training.channel.Channel`.

    Args:
        relay: The actor.
        leader: It is the first rank, which alone reports, prints and hears of a stop.
    """

    def __init__(self, relay: Any, *, leader: bool) -> None:
        self._relay = relay
        self._leader = leader
        self._stop = False
        self._parcel = Parcel()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        if leader:
            self._before = sys.stdout
            sys.stdout = _Printed(self, self._before)
            self._thread.start()

    @property
    def stop_requested(self) -> bool:
        """See :class:`~byzer_lab.training.channel.Channel`; false on other ranks than the first."""
        return self._stop

    @property
    def attempt(self) -> int:
        """Unknown here: a loop goes on from the newest checkpoint where there is one."""
        return 1

    def report(self, report: JobReport) -> None:
        """See :class:`~byzer_lab.training.channel.Channel`; other ranks' reports are left out."""
        if self._leader:
            with self._lock:
                self._parcel.reports.append(report)

    def printed(self, text: str) -> None:
        """Something was printed."""
        with self._lock:
            self._parcel.printed += text

    def fail(self, error: ByzerLabError) -> None:
        """The training can't go on, however often it is started."""
        self._send(Parcel(error=error.to_wire()))

    def finish(self, result: dict[str, Any]) -> None:
        """The first rank's loop is done."""
        if self._leader:
            self._send(Parcel(result=result))

    def close(self) -> None:
        """Send what is left."""
        if self._leader and not self._closed.is_set():
            self._closed.set()
            self._thread.join()
            sys.stdout = self._before
            self._exchange()

    def _work(self) -> None:
        while not self._closed.wait(_EVERY_S):
            self._exchange()

    def _exchange(self) -> None:
        with self._lock:
            parcel, self._parcel = self._parcel, Parcel()
        self._send(parcel)

    def _send(self, parcel: Parcel) -> None:
        import ray

        with contextlib.suppress(ray.exceptions.RayActorError):  # the job's process is gone
            self._stop = ray.get(self._relay.send.remote(parcel)) or self._stop


class _Printed(io.TextIOBase):
    """Standard output that also goes to the job's process."""

    def __init__(self, line: Line, before: Any) -> None:
        self._line = line
        self._before = before

    def write(self, text: str) -> int:
        self._line.printed(text)
        self._before.write(text)  # Ray's returns nothing
        return len(text)

    def flush(self) -> None:
        self._before.flush()


@dataclass
class Heard:
    """What the processes said so far that isn't for the channel.

    Attributes:
        step: The furthest step that was reported.
        error: See :class:`Parcel`.
        result: See :class:`Parcel`.
    """

    step: int = 0
    error: dict[str, Any] | None = None
    result: dict[str, Any] | None = None


class Watcher:
    """The job's end: hands on what comes, on a thread of its own.

    Args:
        relay: The actor.
        channel: The job's.
    """

    def __init__(self, relay: Any, channel: Channel) -> None:
        self._relay = relay
        self._channel = channel
        self._heard = Heard()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def settle(self) -> Heard:
        """What was said until now, once all of it was handed on."""
        self._take(0.0)
        return self._heard

    def close(self) -> None:
        """Hand on what is left and end."""
        self._closed.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._closed.is_set():
            self._take(_EVERY_S)

    def _take(self, wait_s: float) -> None:
        import ray

        with self._lock:
            try:
                parcels = ray.get(self._relay.take.remote(self._channel.stop_requested, wait_s))
            except ray.exceptions.RayActorError:
                self._closed.set()
                return
            for parcel in parcels:
                self._hand_on(parcel)

    def _hand_on(self, parcel: Parcel) -> None:
        if parcel.printed:
            print(parcel.printed, end="", flush=True)
        for report in parcel.reports:
            self._heard.step = max(self._heard.step, report.step or 0)
            self._channel.report(report)
        self._heard.error = self._heard.error or parcel.error
        self._heard.result = parcel.result if parcel.result is not None else self._heard.result
