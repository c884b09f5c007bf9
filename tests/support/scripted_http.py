"""A provider on loopback that answers as a test scripts it, byte by byte, and keeps what it saw."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

JSON = "application/json"
SSE = "text/event-stream"


@dataclass
class Seen:
    """A request as it came.

    Attributes:
        method: Of HTTP.
        target: Path and query as sent.
        headers: With names in lower case.
        body: As sent.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Reply:
    """What one request is answered with.

    Attributes:
        pieces: Of the body; each is sent by itself, as one HTTP chunk.
        status: Of HTTP; 0 cuts the connection before any answer.
        content_type: Of the body.
        headers: Beside it.
        cut: Resets the connection after the pieces, inside of the answer.
        hold: Waits after the pieces until the client leaves.
        gap_s: Waited between pieces, so that the client reads each by itself.
    """

    pieces: list[bytes] = field(default_factory=list)
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    hold: bool = False
    gap_s: float = 0.0


def answer(value: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON body in one piece; header names with ``_`` for ``-``."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply([json.dumps(value, ensure_ascii=False).encode()], status, JSON, named)


def events(*values: Any, named: bool = False, **options: Any) -> Reply:
    """Server-sent events, one piece each.

    Args:
        values: JSON values, or bytes that are sent as they stand.
        named: Gives each the event name that its ``type`` says.
        options: Of :class:`Reply`.
    """
    return Reply([event(value, named=named) for value in values], content_type=SSE, **options)


def event(value: Any, *, named: bool = False) -> bytes:
    """The bytes of one server-sent event."""
    if isinstance(value, bytes):
        return value
    name = f"event: {value['type']}\n" if named else ""
    return f"{name}data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


def split_everywhere(reply: Reply) -> Reply:
    """The same answer, a byte per HTTP chunk: every character and frame is torn apart."""
    reply.pieces = [bytes([byte]) for piece in reply.pieces for byte in piece]
    return reply


class ScriptedServer:
    """Answers requests with scripted replies, in their order.

    Attributes:
        seen: Requests that came.
        left: Set when a client closed its connection while it was held.
        connections: How many were opened.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.seen: list[Seen] = []
        self.left = asyncio.Event()
        self.connections = 0
        self._replies: list[Reply] = []

    def script(self, *replies: Reply) -> None:
        """Answer the next requests with these."""
        self._replies.extend(replies)

    @property
    def unused(self) -> int:
        """Replies that no request has come for."""
        return len(self._replies)

    @property
    def only(self) -> Seen:
        """The one request that came."""
        (request,) = self.seen
        return request

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.rstrip().split("\r\n")
        method, target, _ = line.split(" ")
        headers = {name.lower(): value for name, value in (h.split(": ", 1) for h in rest)}
        if headers.get("expect") == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.seen.append(Seen(method, target, headers, body))
        assert self._replies, f"{method} {target} came, and no reply was scripted for it"
        reply = self._replies.pop(0)
        if reply.status == 0:
            return self._reset(writer)
        fields = {"Content-Type": reply.content_type, **reply.headers}
        named = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        known = reply.status in HTTPStatus.__members__.values()
        phrase = HTTPStatus(reply.status).phrase if known else "Other"
        writer.write(f"HTTP/1.1 {reply.status} {phrase}\r\n{named}".encode())
        writer.write(b"Transfer-Encoding: chunked\r\n\r\n")
        for piece in reply.pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
            await asyncio.sleep(reply.gap_s)
        if reply.cut:
            return self._reset(writer)
        if reply.hold:
            if await reader.read(1) == b"":
                self.left.set()
            return False
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    @staticmethod
    def _reset(writer: asyncio.StreamWriter) -> bool:
        """Close with a reset, as a machine that dies does."""
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        writer.transport.abort()
        return False


@contextlib.asynccontextmanager
async def scripted_server() -> AsyncIterator[ScriptedServer]:
    """A server on a free port of loopback; it must have used up its replies in the end."""
    server: ScriptedServer | None = None

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert server is not None
        await server.serve(reader, writer)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    server = ScriptedServer(f"http://127.0.0.1:{port}")
    try:
        yield server
    finally:
        listener.close()
    assert server.unused == 0, f"{server.unused} scripted replies were not asked for"
