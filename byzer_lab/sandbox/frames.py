"""Messages over a socket: the number of their parts, the length of each, then all bytes."""

from __future__ import annotations

import socket
import struct

MOST_PARTS = 8
MOST_BYTES = 1 << 31


def send(line: socket.socket, *parts: bytes) -> None:
    """Send one message.

    Raises:
        OSError: The other side is gone, or the socket's timeout is over.
    """
    head = struct.pack(f">B{len(parts)}I", len(parts), *map(len, parts))
    line.sendall(b"".join([head, *parts]))


def receive(line: socket.socket) -> list[bytes] | None:
    """Read one message; ``None``: the other side is gone.

    Raises:
        OSError: The socket's timeout is over.
        ValueError: It is no message.
    """
    count = _exactly(line, 1)
    if count is None:
        return None
    if not 0 < count[0] <= MOST_PARTS:
        raise ValueError(f"a message of {count[0]} parts")
    head = _exactly(line, 4 * count[0])
    if head is None:
        return None
    lengths = struct.unpack(f">{count[0]}I", head)
    if sum(lengths) > MOST_BYTES:
        raise ValueError(f"a message of {sum(lengths)} bytes")
    parts = []
    for length in lengths:
        part = _exactly(line, length)
        if part is None:
            return None
        parts.append(part)
    return parts


def _exactly(line: socket.socket, length: int) -> bytes | None:
    found = bytearray()
    while len(found) < length:
        piece = line.recv(min(length - len(found), 1 << 20))
        if not piece:
            return None
        found += piece
    return bytes(found)
