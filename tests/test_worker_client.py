"""The gateway's HTTP client against sockets that answer as told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest

from byzer_lab.worker_client import BUFFERED_BYTES, WorkerClient

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Worker:
    """A server whose connections are answered by a function."""

    def __init__(self, answer: Answering) -> None:
        self._answer = answer
        self.connections = 0
        self.requests: list[bytes] = []
        self.lost = asyncio.Event()

    async def __aenter__(self) -> Worker:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/generate"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                self.requests.append(head + await reader.readexactly(size))
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.lost.set()
        finally:
            writer.close()


@pytest.fixture
async def client() -> AsyncIterator[WorkerClient]:
    made = WorkerClient("t0ken")
    yield made
    await made.aclose()


def saying(*blocks: bytes) -> Answering:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for block in blocks:
            writer.write(block)
            await writer.drain()

    return answer


async def ask(client: WorkerClient, url: str) -> tuple[int, bytes]:
    async with client.stream("POST", url, content=b"{}", headers={"x-a": "b"}) as reply:
        return reply.status_code, await reply.aread()


async def test_a_connection_is_used_again(client: WorkerClient) -> None:
    async with Worker(saying(OK)) as worker:
        for _ in range(3):
            assert await ask(client, worker.url) == (200, b"ok")
        assert worker.connections == 1
        request = worker.requests[0].lower()
        assert request.startswith(b"post /generate http/1.1\r\n")
        assert b"authorization: bearer t0ken\r\n" in request
        assert b"x-a: b\r\n" in request
        assert request.endswith(b"\r\n\r\n{}")


async def test_many_at_a_time(client: WorkerClient) -> None:
    async with Worker(saying(OK)) as worker:
        found = await asyncio.gather(*(ask(client, worker.url) for _ in range(50)))
        assert set(found) == {(200, b"ok")}
        assert worker.connections <= 50


async def test_blocks_come_as_they_are_sent(client: WorkerClient) -> None:
    gate = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + b"2\r\nab\r\n")
        await gate.wait()
        writer.write(b"1\r\nc\r\n0\r\n\r\n")

    async with (
        Worker(answer) as worker,
        client.stream("POST", worker.url, content=b"", headers={}) as reply,
    ):
        blocks = reply.aiter_raw()
        assert await anext(blocks) == b"ab"
        gate.set()
        assert [block async for block in blocks] == [b"c"]


async def test_who_leaves_closes_the_connection(client: WorkerClient) -> None:
    async with Worker(saying(CHUNKED, b"2\r\nab\r\n")) as worker:
        async with client.stream("POST", worker.url, content=b"", headers={}) as reply:
            assert await anext(reply.aiter_raw()) == b"ab"
        await asyncio.wait_for(worker.lost.wait(), 10)


async def test_a_slow_reader_stops_the_worker(client: WorkerClient) -> None:
    sent = 0

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        block = b"x" * 65536
        writer.write(CHUNKED)
        for _ in range(400):
            writer.write(b"10000\r\n" + block + b"\r\n")
            await writer.drain()
            sent += len(block)
        writer.write(b"0\r\n\r\n")

    async with Worker(answer) as worker:
        async with client.stream("POST", worker.url, content=b"", headers={}) as reply:
            await asyncio.sleep(0.5)
            behind = sent
            assert len(await reply.aread()) == 400 * 65536
        assert behind < 400 * 65536
        assert behind >= BUFFERED_BYTES


@pytest.mark.parametrize(
    "blocks",
    [[b""], [CHUNKED], [CHUNKED + b"5\r\nab"], [b"nonsense\r\n\r\n"]],
    ids=["nothing", "head", "half a block", "nonsense"],
)
async def test_a_connection_that_breaks(client: WorkerClient, blocks: list[bytes]) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.writelines(blocks)
        raise ConnectionError

    async with Worker(answer) as worker:
        with pytest.raises(httpx.ReadError):
            await ask(client, worker.url)


async def test_a_connection_that_the_worker_closed_is_not_used(client: WorkerClient) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        raise ConnectionError

    async with Worker(answer) as worker:
        for number in range(1, 4):
            assert await ask(client, worker.url) == (200, b"ok")
            await asyncio.wait_for(worker.lost.wait(), 10)
            worker.lost.clear()
            await asyncio.sleep(0.05)
            assert worker.connections == number


async def test_nobody_listens(client: WorkerClient) -> None:
    async with Worker(saying(OK)) as worker:
        url = worker.url
    with pytest.raises(httpx.ConnectError):
        await ask(client, url)
