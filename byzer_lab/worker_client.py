"""A lean HTTP client for the gateway: POST to workers, over connections that stay open.

The gateway sends every request on to a worker; httpx would cost it several times the CPU of all the
rest. Errors are httpx's, so that callers tell them apart as they do with httpx.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import httptools
import httpx

CONNECT_TIMEOUT_S = 5.0
IDLE_S = 60.0
"""A connection unused for longer is closed: less than after which workers close theirs."""
BUFFERED_BYTES = 256 * 1024
"""A reader that is so far behind stops the worker."""


class Reply:
    """A response whose body is read as it comes. See :meth:`WorkerClient.stream`."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self.status_code = connection.status

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300

    async def aread(self) -> bytes:
        """The whole body."""
        return b"".join([block async for block in self.aiter_raw()])

    async def aiter_raw(self) -> AsyncIterator[bytes]:
        """The body's blocks.

        Raises:
            httpx.ReadError: The connection broke.
        """
        while block := await self._connection.read():
            yield block


class _Connection(asyncio.Protocol):
    """One connection, for one request at a time."""

    def __init__(self) -> None:
        self.used_at = 0.0
        self.status = 0
        self.closed = False
        self.whole = False
        self._keep = False
        self._transport: Any = None
        self._parser: Any = None
        self._blocks: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._headed = False
        self._waiter: asyncio.Future[None] | None = None

    # -- asyncio's ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        self.closed = True
        self._wake()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, AttributeError):  # no answer, or to no question
            self.abort()
        self._wake()

    # -- httptools' -----------------------------------------------------------------------------

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._headed = True

    def on_body(self, body: bytes) -> None:
        self._blocks.append(body)
        self._size += len(body)
        if self._size > BUFFERED_BYTES and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        self.whole = True
        self._keep = self._parser.should_keep_alive()

    # -- ours -----------------------------------------------------------------------------------

    async def ask(self, head: bytes, content: bytes) -> None:
        """Send a request and wait for the head of its response."""
        self._parser = httptools.HttpResponseParser(self)
        self.status, self._headed, self.whole, self._keep = 0, False, False, False
        self._transport.write(head + content)
        while not self._headed:
            await self._wait()

    async def read(self) -> bytes:
        """The blocks that have come; empty at the end."""
        while not self._blocks:
            if self.whole:
                return b""
            await self._wait()
        block = b"".join(self._blocks)
        self._blocks.clear()
        self._size = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return block

    @property
    def reusable(self) -> bool:
        """Its answer was read whole, and the worker keeps it open."""
        return self.whole and self._keep and not self._blocks and not self.closed

    def abort(self) -> None:
        """Close it at once, which cancels on the worker."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    async def _wait(self) -> None:
        if self.closed:
            raise httpx.ReadError("The connection to the worker broke.")
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class WorkerClient:
    """Sends requests of one asyncio loop.

    Args:
        token: The token that the workers ask for.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._idle: dict[tuple[str, int], list[_Connection]] = {}

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, url: str, *, content: bytes, headers: dict[str, str]
    ) -> AsyncIterator[Reply]:
        """Ask; leaving the context before the end cancels on the worker.

        Args:
            method: Such as ``POST``.
            url: Of a worker's call.
            content: The body, JSON.
            headers: Beside those that every request has.

        Raises:
            httpx.ConnectError: Nobody listens there.
            httpx.ReadError: The connection broke.
        """
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 80)
        lines = [
            f"{method} {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: Bearer {self._token}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        connection = self._take(address) or await self._connect(address)
        try:
            await connection.ask(head, content)
            yield Reply(connection)
        finally:
            if connection.reusable:
                connection.used_at = time.monotonic()
                self._idle.setdefault(address, []).append(connection)
            else:
                connection.abort()

    async def aclose(self) -> None:
        """Close the connections that are not in use."""
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()

    def _take(self, address: tuple[str, int]) -> _Connection | None:
        """The connection used last; those that are too old are closed."""
        idle = self._idle.get(address, [])
        while idle:
            connection = idle.pop()
            if not connection.closed and time.monotonic() - connection.used_at < IDLE_S:
                return connection
            connection.abort()
        self._idle.pop(address, None)
        return None

    @staticmethod
    async def _connect(address: tuple[str, int]) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                _, connection = await loop.create_connection(_Connection, *address)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("The worker can't be reached in time.") from error
        except OSError as error:
            raise httpx.ConnectError(f"The worker can't be reached ({error.strerror}).") from error
        return connection
