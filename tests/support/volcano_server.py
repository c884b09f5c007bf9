"""Volcano Engine's WebSocket of speech on loopback, answering as a test scripts it."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Request, Response, ServerConnection, serve


def sound(data: bytes, number: int) -> bytes:
    """A piece of a sound; a number below 0 says that it is the last."""
    flags = 1 if number > 0 else 3
    return bytes([0x11, 0xB0 | flags, 0x00, 0x00]) + struct.pack(">iI", number, len(data)) + data


UNDERSTOOD = bytes([0x11, 0xB0, 0x00, 0x00])


def refusal(code: int, said: bytes, *, packed: bool = True) -> bytes:
    """A message that refuses."""
    payload = gzip.compress(said) if packed else said
    head = bytes([0x11, 0xF0, 0x10 | packed, 0x00])
    return head + struct.pack(">II", code, len(payload)) + payload


@dataclass
class Script:
    """What one connection is answered with.

    Attributes:
        messages: As they are sent.
        status: Of HTTP, in the place of a WebSocket.
        cut: Drops the connection after the messages.
        hold: Waits after the messages until the client leaves.
    """

    messages: list[bytes | str] = field(default_factory=list)
    status: int = 101
    cut: bool = False
    hold: bool = False


class VolcanoServer:
    """Answers connections with scripts, in their order.

    Attributes:
        url: Without a path.
        asked: Path, ``Authorization``, head and body of each request.
        left: Set when a client left while it was held.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, bytes, Any]] = []
        self.left = asyncio.Event()
        self.scripts: list[Script] = []

    def script(self, *scripts: Script) -> None:
        """Answer the next connections with these."""
        self.scripts.extend(scripts)

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what the script refuses."""
        if self.scripts[0].status == 101:
            return None
        status = HTTPStatus(self.scripts.pop(0).status)
        return connection.respond(status, '{"message": "not you"}')

    async def serve(self, connection: ServerConnection) -> None:
        """Answer one connection."""
        script = self.scripts.pop(0)
        data = await connection.recv()
        assert isinstance(data, bytes)
        (length,) = struct.unpack(">I", data[4:8])
        assert len(data) == 8 + length
        request = connection.request
        assert request is not None
        body = json.loads(gzip.decompress(data[8:]))
        self.asked.append((request.path, request.headers["Authorization"], data[:4], body))
        for message in script.messages:
            await connection.send(message)
        if script.cut:
            connection.transport.abort()
        if script.hold:
            await connection.wait_closed()
            self.left.set()


@contextlib.asynccontextmanager
async def volcano_server() -> AsyncIterator[VolcanoServer]:
    """A server on a free port of loopback; it must have used up its scripts in the end."""
    server = VolcanoServer()
    listening = await serve(
        server.serve, "127.0.0.1", 0, process_request=server.check, max_size=None, close_timeout=1
    )
    async with listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}"
        yield server
    assert not server.scripts, f"{len(server.scripts)} scripts were not asked for"
