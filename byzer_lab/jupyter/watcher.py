"""Follows the cluster for every page of this Jupyter server: one task, one long poll."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from byzer_lab.cluster import launch
from byzer_lab.errors import ByzerLabError, describe
from byzer_lab.jupyter.gateway import GatewayClient, NoClusterError
from byzer_lab.jupyter.snapshot import MergedState
from byzer_lab.records import StateSnapshot

ConnectionStatus = Literal["none", "starting", "connected", "stopping", "lost"]

NUDGE_INTERVAL_S = 0.25
LONG_POLL_S = 10.0
ASLEEP_AFTER_S = 60.0
NO_CLUSTER_RETRY_S = 0.5
LOST_RETRY_S = (0.5, 1.0, 2.0, 4.0)
FIRST_ANSWER_WITHIN_S = 2.0


class Connection(msgspec.Struct, frozen=True):
    """How the Jupyter server stands to the cluster.

    Attributes:
        status: ``none`` (no cluster), ``starting``, ``connected``, ``stopping`` or ``lost``.
        message: One sentence where there is something to say, such as why a start failed.
    """

    status: ConnectionStatus
    message: str = ""


class StateReply(msgspec.Struct):
    """What the sidebar gets.

    Attributes:
        connection: See :class:`Connection`.
        snapshot: The state, or what changed since the caller's revision.
        age_s: Seconds since the gateway last confirmed it; ``None`` without a snapshot.
    """

    connection: Connection
    snapshot: StateSnapshot | None
    age_s: float | None


class ClusterWatcher:
    """Keeps the merged state current while somebody looks, and says when it changed.

    Args:
        gateway: Where the state comes from.
        nudge: Called with ``(epoch, rev)`` after a change, at most once in ``NUDGE_INTERVAL_S``.
        log: The server's logger.
    """

    def __init__(
        self,
        gateway: GatewayClient,
        nudge: Callable[[str, int], None],
        log: logging.Logger | logging.LoggerAdapter[Any],
    ) -> None:
        self._gateway = gateway
        self._nudge = nudge
        self._log = log
        self._state = MergedState()
        self._observed = Connection("none")
        self._transition: ConnectionStatus | None = None
        self._failure = ""
        self._confirmed_at: float | None = None
        self._asked_at = 0.0
        self._watching: asyncio.Task[None] | None = None
        self._changing: asyncio.Task[None] | None = None
        self._first_answer = asyncio.Event()
        self._next_nudge: asyncio.TimerHandle | None = None
        self._nudged_at = 0.0

    @property
    def connection(self) -> Connection:
        """How things stand; a start or stop, under way or failed, outshines what is observed."""
        if self._transition:
            return Connection(self._transition)
        return Connection(self._observed.status, self._failure or self._observed.message)

    async def state(self, epoch: str | None, rev: int | None) -> StateReply:
        """What changed since ``rev``. Wakes the watcher; right after waking, waits for news."""
        self._wake()
        await self._await_first_answer()
        snapshot = self._state.since(epoch, rev)
        now = asyncio.get_running_loop().time()
        age = None if self._confirmed_at is None else round(now - self._confirmed_at, 3)
        return StateReply(self.connection, snapshot, None if snapshot is None else age)

    def start_cluster(self) -> None:
        """Begin to start a cluster, unless a start or stop is under way."""
        self._change("starting", launch.start_cluster)

    def stop_cluster(self) -> None:
        """Begin to stop the cluster, unless a start or stop is under way."""
        self._change("stopping", launch.stop_cluster)

    async def close(self) -> None:
        """End the tasks. A start or stop under way goes on in its thread."""
        if self._next_nudge is not None:
            self._next_nudge.cancel()
        tasks = [task for task in (self._watching, self._changing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _wake(self) -> None:
        self._asked_at = asyncio.get_running_loop().time()
        if self._watching is None or self._watching.done():
            self._first_answer.clear()
            self._watching = asyncio.create_task(self._watch(), name="byzer-lab watcher")

    async def _await_first_answer(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first_answer.wait(), FIRST_ANSWER_WITHIN_S)

    def _change(self, transition: ConnectionStatus, act: Callable[[], object]) -> None:
        if self._changing is None or self._changing.done():
            self._transition = transition
            self._failure = ""
            self._changing = asyncio.create_task(self._carry_out(act), name="byzer-lab change")
            self._wake()
            self._nudge_soon()

    async def _carry_out(self, act: Callable[[], object]) -> None:
        try:
            await asyncio.to_thread(act)
        except Exception as error:
            self._failure = describe(error)
            self._log.warning("Byzer Lab: %s", self._failure)
        # The transition ends only when its outcome has been observed: by a watch that began after
        # it, so that no page sees the state from before flash up again.
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        self._wake()
        await self._await_first_answer()
        self._transition = None
        self._nudge_soon()

    async def _watch(self) -> None:
        failures = 0
        while self._transition or self._seconds_unasked() < ASLEEP_AFTER_S:
            pause = 0.0
            try:
                self._take_in(await self._next_update())
                failures = 0
            except NoClusterError:
                self._forget_cluster()
                pause = NO_CLUSTER_RETRY_S
            except ByzerLabError as error:
                self._lose_cluster(error)
                pause = LOST_RETRY_S[min(failures, len(LOST_RETRY_S) - 1)]
                failures += 1
            self._first_answer.set()
            await asyncio.sleep(pause)

    def _seconds_unasked(self) -> float:
        return asyncio.get_running_loop().time() - self._asked_at

    async def _next_update(self) -> StateSnapshot:
        # Only a connection known to be good is worth waiting on: the first answer must be quick.
        if self._observed.status != "connected" or not self._first_answer.is_set():
            return await self._gateway.state(None, "", 0.0)
        return await self._gateway.state(self._state.rev, self._state.epoch, LONG_POLL_S)

    def _take_in(self, update: StateSnapshot) -> None:
        self._confirmed_at = asyncio.get_running_loop().time()
        self._observe(Connection("connected"), self._state.merge(update))

    def _forget_cluster(self) -> None:
        had_state = not self._state.is_empty
        self._state = MergedState()
        self._confirmed_at = None
        self._observe(Connection("none"), had_state)

    def _lose_cluster(self, error: ByzerLabError) -> None:
        # A runtime file that was left behind, whose cluster nobody here ever saw, is no loss.
        status: ConnectionStatus = "none" if self._state.is_empty else "lost"
        self._observe(Connection(status, error.message), False)

    def _observe(self, connection: Connection, state_changed: bool) -> None:
        if connection.status != self._observed.status and self._transition is None:
            self._failure = ""
        if state_changed or connection != self._observed:
            self._observed = connection
            self._nudge_soon()

    def _nudge_soon(self) -> None:
        if self._next_nudge is None:
            loop = asyncio.get_running_loop()
            at = max(loop.time(), self._nudged_at + NUDGE_INTERVAL_S)
            self._next_nudge = loop.call_at(at, self._send_nudge)

    def _send_nudge(self) -> None:
        self._next_nudge = None
        self._nudged_at = asyncio.get_running_loop().time()
        self._nudge(self._state.epoch, self._state.rev)
