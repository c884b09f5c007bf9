"""What AWS asks of every request and sends in every stream: signatures and frames.

Written from https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
and https://smithy.io/2.0/aws/amazon-eventstream.html.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, quote, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
PORTS = {"http": 80, "https": 443}
PRELUDE = struct.Struct(">III")
CHECKSUM = struct.Struct(">I")
LONGEST_FRAME = 24 * 1024 * 1024
SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value, by its type; those of the types 6 and 7 say it themselves."""
BYTES, TEXT = 6, 7


@dataclass(frozen=True)
class Signer:
    """Signs requests with Signature Version 4.

    Attributes:
        key: Access key of the account.
        secret: Its secret.
        token: Session token of temporary keys.
        region: Where the service is.
        service: Its name in signatures.
    """

    key: str
    secret: str
    token: str | None
    region: str
    service: str

    def headers(
        self, method: str, url: str, content: bytes, headers: Mapping[str, str], at: datetime
    ) -> dict[str, str]:
        """A request's headers with those that sign it.

        Args:
            method: Of HTTP.
            url: As it is sent, path and query encoded.
            content: The body.
            headers: What else is sent and signed.
            at: Now, in UTC; AWS takes a signature for five minutes.
        """
        stamp = at.strftime("%Y%m%dT%H%M%SZ")
        sent = {**headers, "X-Amz-Date": stamp}
        if self.token:
            sent["X-Amz-Security-Token"] = self.token
        signed = {name.lower(): " ".join(value.split()) for name, value in sent.items()}
        signed["host"] = _host(url)
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        parts = urlsplit(url)
        request = "\n".join(
            (
                method,
                quote(parts.path or "/", safe="/-_.~"),  # once more: the path is encoded already
                _query(parts.query),
                lines,
                names,
                hashlib.sha256(content).hexdigest(),
            )
        )
        scope = f"{stamp[:8]}/{self.region}/{self.service}/aws4_request"
        told = "\n".join((ALGORITHM, stamp, scope, hashlib.sha256(request.encode()).hexdigest()))
        signature = hmac.new(self._key(stamp[:8]), told.encode(), hashlib.sha256).hexdigest()
        sent["Authorization"] = (
            f"{ALGORITHM} Credential={self.key}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        )
        return sent

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.secret}".encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key


def _host(url: str) -> str:
    """The header ``Host`` as it is sent: without the scheme's own port."""
    parts = urlsplit(url)
    port = parts.port
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if port is None or port == PORTS.get(parts.scheme) else f"{host}:{port}"


def _query(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    encoded = sorted((quote(name, safe="-_.~"), quote(value, safe="-_.~")) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


@dataclass(frozen=True)
class Frame:
    """A message of an event stream.

    Attributes:
        headers: Those that are texts.
        payload: What it carries.
    """

    headers: dict[str, str]
    payload: bytes


class FrameReader:
    """Puts frames together, whatever way a stream is cut into blocks."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def rest(self) -> int:
        """Bytes of a frame that is not complete."""
        return len(self._held)

    def feed(self, block: bytes) -> Iterator[Frame]:
        """Yield the frames that are complete with this block.

        Raises:
            ValueError: A checksum is wrong, or a length can't be.
        """
        self._held += block
        while len(self._held) >= PRELUDE.size:
            total, headers, checksum = PRELUDE.unpack_from(self._held)
            if zlib.crc32(self._held[: PRELUDE.size - CHECKSUM.size]) != checksum:
                raise ValueError("the checksum of a frame's head is wrong")
            if not PRELUDE.size + headers + CHECKSUM.size <= total <= LONGEST_FRAME:
                raise ValueError(f"a frame says that it has {total} bytes, {headers} of headers")
            if len(self._held) < total:
                return
            frame = bytes(self._held[:total])
            del self._held[:total]
            if zlib.crc32(frame[: -CHECKSUM.size]) != CHECKSUM.unpack(frame[-CHECKSUM.size :])[0]:
                raise ValueError("the checksum of a frame is wrong")
            end = PRELUDE.size + headers
            read = dict(_headers(frame[PRELUDE.size : end]))
            yield Frame(read, frame[end : -CHECKSUM.size])


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(data):
        length = data[at]
        name = data[at + 1 : at + 1 + length].decode()
        at += 1 + length
        kind = data[at] if at < len(data) else -1
        at += 1
        if kind in (BYTES, TEXT) and at + 2 <= len(data):
            (size,) = struct.unpack_from(">H", data, at)
            at += 2
        elif kind in SIZES:
            size = SIZES[kind]
        else:
            raise ValueError(f"a frame's header is of the unknown type {kind}")
        value = data[at : at + size]
        at += size
        if at > len(data):
            raise ValueError("a frame's header is longer than all of them")
        if kind == TEXT:
            yield name, value.decode()
