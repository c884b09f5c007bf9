"""Speech of Volcano Engine (Doubao) over its WebSocket: the sound comes while it is made.

Written from https://www.volcengine.com/docs/6561/79821.
"""

from __future__ import annotations

import gzip
import json
import struct
import zlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.errors import ProviderError
from byzer_lab.providers.again import until_begun, worth_another_try
from byzer_lab.providers.failures import failure, meaning, read_refusal
from byzer_lab.providers.sockets import connected, receive
from byzer_lab.providers.speech import in_pieces
from byzer_lab.providers.volcengine import Spoken, Volcengine
from byzer_lab.types import Chunk, GenerateRequest, ProviderFacts

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

PATH = "/api/v1/tts/ws_binary"
REQUEST = bytes([0x11, 0x10, 0x11, 0x00])
"""Version 1, a header of one word; a whole request; JSON, gzip; reserved."""
SOUND, REFUSAL = 0xB, 0xF
GZIP = 1


class Message(NamedTuple):
    """What the server sent.

    Attributes:
        kind: The type of the message.
        number: Of a sound, its place, below 0 for the last; of a refusal, the code; else 0.
        payload: The rest, unpacked.
    """

    kind: int
    number: int
    payload: bytes


class VolcengineStream(Volcengine):
    """A voice of Volcano Engine, as it speaks."""

    @property
    def base_url(self) -> str:
        """Where the voices listen."""
        return super().base_url.replace("http", "ws", 1)

    _loaded = False

    def load(self, report: ReportProgress) -> None:
        """Nothing is kept: each request has a connection of its own."""
        report(LoadProgress("preparing the connection"))
        self._loaded = True

    async def close(self) -> None:
        """Take no more requests. Safe to call twice."""
        self._loaded = False

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """Speak the last message; see :meth:`byzer_lab.engines.base.Generates.generate`."""
        if not self._loaded:
            raise ProviderError(f"{self.type} is not loaded, or was closed.")
        spoken = self._spoken(request)

        async def speak(attempt: int) -> AsyncGenerator[Chunk]:
            facts = ProviderFacts(attempts=attempt)
            async for piece in in_pieces(self._sounds(spoken, facts), spoken.size):
                yield Chunk(data=piece, media_type=spoken.media_type)
            yield Chunk(finish_reason="stop", usage=self.usage(facts, 0, 0))

        async with aclosing(until_begun(speak, self.settings.max_retries)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _sounds(self, spoken: Spoken, facts: ProviderFacts) -> AsyncGenerator[bytes]:
        """The pieces of one try.

        Raises:
            Again: The provider has not begun.
            ProviderError: It refuses, or sent no sound.
        """
        body = self._body(spoken.question, spoken.request, operation="submit")
        facts.request_id = body["request"]["reqid"]
        packed = gzip.compress(msgspec.json.encode(body))
        url, begun = f"{self.base_url}{PATH}", False
        async with connected(self, url, self.key_headers()) as socket:
            await socket.send(REQUEST + struct.pack(">I", len(packed)) + packed)
            while True:
                message = await self._message(socket, facts)
                if message.kind == REFUSAL:
                    refused = self._refused(message, facts)
                    raise refused if begun else worth_another_try(refused)
                if message.kind != SOUND:
                    continue
                if message.payload:
                    begun = True
                    yield message.payload
                if message.number < 0:
                    break
        if not begun:
            raise ProviderError(f"{self.type} sent no sound.", provider=self.type)

    async def _message(self, socket: ClientConnection, facts: ProviderFacts) -> Message:
        data = await receive(self, socket)
        try:
            if isinstance(data, str):
                raise ValueError("a text")
            return read_message(data)
        except (ValueError, IndexError, struct.error, OSError, EOFError, zlib.error) as error:
            raise ProviderError(
                f"{self.type} sent something that is no message of its format: {error}.",
                provider=self.type,
                request_id=facts.request_id,
            ) from error

    def _refused(self, message: Message, facts: ProviderFacts) -> ProviderError:
        code = str(message.number)
        kind = meaning(code, self.preset.codes)
        try:
            said = read_refusal(json.loads(message.payload))[1]
        except ValueError:
            said = message.payload.decode(errors="replace")
        return failure(
            self.type, 0, f"{said} (code {code})", kind=kind, request_id=facts.request_id
        )


def read_message(data: bytes) -> Message:
    """A message of the server.

    Raises:
        ValueError: It is none, also as one of the errors of reading bytes.
    """
    size, kind, flags = (data[0] & 0x0F) * 4, data[1] >> 4, data[1] & 0x0F
    packed, rest = data[2] & 0x0F == GZIP, data[size:]
    if data[0] >> 4 != 1 or not size:
        raise ValueError(f"version {data[0] >> 4}")
    number = 0
    if kind == REFUSAL or (kind == SOUND and flags):
        (number,) = struct.unpack(">I" if kind == REFUSAL else ">i", rest[:4])
        rest = rest[4:]
    elif kind == SOUND:
        return Message(kind, 0, b"")  # it has understood
    (length,) = struct.unpack(">I", rest[:4])
    payload = rest[4:]
    if len(payload) != length:
        raise ValueError(f"{len(payload)} bytes where it says {length}")
    return Message(kind, number, gzip.decompress(payload) if packed and payload else payload)
