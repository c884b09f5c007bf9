"""The watcher's timing and transitions, without a Jupyter server around it."""

from __future__ import annotations

import asyncio
import itertools
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest
from fake_gateway import deployment

from byzer_lab.cluster import launch
from byzer_lab.errors import ClusterError, from_wire
from byzer_lab.jupyter import watcher as watcher_module
from byzer_lab.jupyter.gateway import NoClusterError
from byzer_lab.jupyter.watcher import ClusterWatcher
from byzer_lab.records import ClusterRecord, StateSnapshot


class ScriptedGateway:
    """Answers ``state`` with what the test set; long polls wait for the next change."""

    def __init__(self) -> None:
        self.asked = 0
        self.rev = 1
        self.failure: Exception | None = None

    async def state(self, since: int | None, epoch: str, wait_s: float) -> StateSnapshot:
        self.asked += 1
        deadline = time.monotonic() + wait_s
        while self.failure is None and self.rev == since and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        if self.failure is not None:
            raise self.failure
        return StateSnapshot(
            epoch="e",
            rev=self.rev,
            full=since is None,
            cluster=ClusterRecord(address="127.0.0.1:6379"),
            deployments=[deployment("chat", rev=self.rev)],
        )


@pytest.fixture
def gateway() -> ScriptedGateway:
    return ScriptedGateway()


@pytest.fixture
def nudges() -> list[float]:
    """When the watcher announced a change."""
    return []


@pytest.fixture
async def watcher(gateway: ScriptedGateway, nudges: list[float]) -> AsyncIterator[ClusterWatcher]:
    watcher = ClusterWatcher(
        gateway,  # type: ignore[arg-type]
        lambda epoch, rev: nudges.append(time.monotonic()),
        logging.getLogger(),
    )
    yield watcher
    await watcher.close()


async def until(condition: Callable[[], bool], timeout_s: float = 3.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.005)


async def test_the_first_answer_waits_for_the_gateway(watcher: ClusterWatcher):
    reply = await watcher.state(None, None)
    assert reply.connection.status == "connected"
    assert reply.snapshot is not None


async def test_nudges_keep_their_distance_and_the_last_change_is_told(
    gateway: ScriptedGateway, watcher: ClusterWatcher, nudges: list[float]
):
    await watcher.state(None, None)
    for _ in range(60):
        gateway.rev += 1
        await asyncio.sleep(0.01)
    last_change = time.monotonic()
    await until(lambda: nudges[-1] > last_change)
    distances = [later - earlier for earlier, later in itertools.pairwise(nudges)]
    assert min(distances) >= watcher_module.NUDGE_INTERVAL_S - 0.02


async def test_no_change_no_nudge(watcher: ClusterWatcher, nudges: list[float]):
    await watcher.state(None, None)
    await until(lambda: len(nudges) == 1)
    await asyncio.sleep(0.4)
    assert len(nudges) == 1


async def test_it_sleeps_when_nobody_asks_and_wakes_up_current(
    gateway: ScriptedGateway, watcher: ClusterWatcher, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watcher_module, "ASLEEP_AFTER_S", 0.2)
    monkeypatch.setattr(watcher_module, "LONG_POLL_S", 0.05)
    await watcher.state(None, None)
    await asyncio.sleep(0.5)
    asked = gateway.asked
    await asyncio.sleep(0.3)
    assert gateway.asked == asked
    gateway.rev = 99
    reply = await watcher.state("e", 1)
    assert reply.snapshot is not None
    assert reply.snapshot.rev == 99


async def test_lost_backs_off_and_keeps_the_state(
    gateway: ScriptedGateway, watcher: ClusterWatcher
):
    await watcher.state(None, None)
    gateway.failure = ClusterError("It does not answer.")
    await until(lambda: watcher.connection.status == "lost")
    asked = gateway.asked
    await asyncio.sleep(1.0)
    assert gateway.asked - asked <= 2
    reply = await watcher.state(None, None)
    assert reply.snapshot is not None
    gateway.failure = NoClusterError("It was stopped.")
    await until(lambda: watcher.connection.status == "none")
    assert (await watcher.state(None, None)).snapshot is None


async def test_a_restarting_registry_is_not_a_missing_cluster(
    gateway: ScriptedGateway, watcher: ClusterWatcher
):
    await watcher.state(None, None)
    gateway.failure = from_wire(ClusterError("The registry is restarting.").to_wire())
    await until(lambda: watcher.connection.status != "connected")
    assert watcher.connection.status == "lost"
    assert (await watcher.state(None, None)).snapshot is not None


async def test_a_start_is_shown_until_its_outcome_is_seen(
    gateway: ScriptedGateway, watcher: ClusterWatcher, monkeypatch: pytest.MonkeyPatch
):
    gateway.failure = NoClusterError("None yet.")
    started = threading.Event()

    def start_cluster() -> None:
        started.wait(5)
        gateway.failure = None

    monkeypatch.setattr(launch, "start_cluster", start_cluster)
    assert (await watcher.state(None, None)).connection.status == "none"
    watcher.start_cluster()
    watcher.start_cluster()  # pressed twice
    assert watcher.connection.status == "starting"
    seen = {watcher.connection.status}
    started.set()
    while watcher.connection.status != "connected":
        seen.add(watcher.connection.status)
        await asyncio.sleep(0.002)
    assert seen == {"starting"}


async def test_a_stop_that_is_refused_says_why_until_the_next_attempt(
    gateway: ScriptedGateway, watcher: ClusterWatcher, monkeypatch: pytest.MonkeyPatch
):
    def refuse() -> None:
        raise ClusterError("It is not ours to stop.")

    monkeypatch.setattr(launch, "stop_cluster", refuse)
    await watcher.state(None, None)
    watcher.stop_cluster()
    await until(lambda: watcher.connection.status == "connected")
    gateway.rev += 1
    await asyncio.sleep(0.1)
    assert watcher.connection.message == "It is not ours to stop."
    monkeypatch.setattr(launch, "stop_cluster", lambda: None)
    watcher.stop_cluster()
    assert watcher.connection.message == ""
