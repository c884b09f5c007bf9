"""Server-sent events, from bytes as they come.

Written from https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from typing import NamedTuple


class Event(NamedTuple):
    """One event.

    Attributes:
        name: Its type; empty where the server gives none.
        data: Its lines, joined.
    """

    name: str
    data: bytes


class EventReader:
    """Puts events together. Whatever way a stream is cut into blocks, the events are the same."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of a line that has not ended
        self._name = ""
        self._data: list[bytes] = []
        self._begun = False

    def feed(self, block: bytes) -> Iterator[Event]:
        """Yield the events that are complete with this block."""
        if b"\n" not in block and b"\r" not in block and not self._ends_with_return():
            self._pieces.append(block)
            return
        text = b"".join([*self._pieces, block])
        held = text.endswith(b"\r")  # perhaps half of a line's end
        lines = (text[:-1] if held else text).splitlines(keepends=True)
        last = lines.pop() if lines and not lines[-1].endswith((b"\n", b"\r")) else b""
        self._pieces = [last + b"\r"] if held else [last]
        for line in lines:
            yield from self._line(line.rstrip(b"\r\n"))

    def end(self) -> Iterator[Event]:
        """Yield what is complete now that nothing more comes: some forget the last empty line."""
        text = b"".join(self._pieces)
        self._pieces = []
        if text:
            yield from self._line(text.rstrip(b"\r\n"))
        yield from self._line(b"")

    def _ends_with_return(self) -> bool:
        return bool(self._pieces) and self._pieces[-1].endswith(b"\r")

    def _line(self, line: bytes) -> Iterator[Event]:
        if not self._begun:
            line, self._begun = line.removeprefix(b"\xef\xbb\xbf"), True
        if not line:
            if self._data:
                yield Event(self._name, b"\n".join(self._data))
            self._name, self._data = "", []
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode(errors="replace")


async def events(blocks: AsyncIterator[bytes]) -> AsyncGenerator[Event]:
    """The events of a response's body."""
    reader = EventReader()
    async for block in blocks:
        for event in reader.feed(block):
            yield event
    for event in reader.end():
        yield event
