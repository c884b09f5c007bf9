"""Which workers a request is sent to when they are lost; loopback sockets stand for workers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from byzer_lab.client.data_plane import DataPlane
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import NotReadyError, WorkerLostError
from byzer_lab.records import Endpoint, Route
from byzer_lab.routing import Router
from byzer_lab.types import GenerateRequest
from byzer_lab.vectors import EmbedRequest

GOING_DOWN = b'{"error":{"code":"not_ready","message":"This worker is going down."}}'
REFUSAL = b"HTTP/1.1 503 No\r\nContent-Length: %d\r\n\r\n" % len(GOING_DOWN) + GOING_DOWN


class Worker:
    """Reads a request, answers with ``reply`` and breaks the connection."""

    def __init__(self, reply: bytes) -> None:
        self.asked = 0
        self._reply = reply
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                self.asked += 1
                connection.sendall(self._reply)


@pytest.fixture
def plane_with() -> Iterator[Callable[..., tuple[DataPlane, list[Worker]]]]:
    """Makes a data plane over workers; ``None`` stands for a port where nobody listens."""
    listeners: list[socket.socket] = []

    def make(*replies: bytes | None) -> tuple[DataPlane, list[Worker]]:
        workers = [Worker(reply or b"") for reply in replies]
        endpoints = [Endpoint(f"w{n}", worker.url) for n, worker in enumerate(workers)]
        for worker, reply in zip(workers, replies, strict=True):
            listeners.append(worker.listener)
            if reply is None:
                worker.listener.shutdown(socket.SHUT_RDWR)
                worker.listener.close()
        route = Route(deployment="fast", state="ready", endpoints=endpoints)
        return DataPlane(Runtime(url="http://gateway", token="t"), Router(lambda _: route)), workers

    yield make
    for listener in listeners:
        listener.close()


async def ask(plane: DataPlane, way: str) -> None:
    """Send a request in one of the ways."""
    request = GenerateRequest(request_id="r", prompt="x")
    with closing(plane):
        if way == "stream":
            list(plane.stream("fast", request))
        elif way == "astream":
            [chunk async for chunk in plane.astream("fast", request)]
        else:
            plane.embed("fast", EmbedRequest(request_id="r", texts=["x"]))


@pytest.mark.parametrize("way", ["stream", "astream", "embed"])
async def test_a_request_that_ends_workers_ends_two_at_most(
    plane_with: Callable[..., tuple[DataPlane, list[Worker]]], way: str
) -> None:
    plane, workers = plane_with(b"", b"", b"", b"")
    with pytest.raises(WorkerLostError, match="Worker w1 of 'fast' was lost"):
        await ask(plane, way)
    assert [worker.asked for worker in workers] == [1, 1, 0, 0]


@pytest.mark.parametrize("way", ["stream", "astream", "embed"])
async def test_workers_that_have_not_begun_are_passed_over_freely(
    plane_with: Callable[..., tuple[DataPlane, list[Worker]]], way: str
) -> None:
    plane, workers = plane_with(None, REFUSAL, b"", None, REFUSAL, b"", b"")
    with pytest.raises(WorkerLostError, match="Worker w5 of 'fast' was lost"):
        await ask(plane, way)
    assert [worker.asked for worker in workers] == [0, 1, 1, 0, 1, 1, 0]


@pytest.mark.parametrize("way", ["stream", "astream", "embed"])
async def test_the_only_worker_is_lost(
    plane_with: Callable[..., tuple[DataPlane, list[Worker]]], way: str
) -> None:
    plane, _ = plane_with(b"")
    with pytest.raises(NotReadyError, match="Every worker of 'fast' was lost"):
        await ask(plane, way)
