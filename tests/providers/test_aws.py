"""Signatures and frames of AWS: against AWS's published example, and its own library if it is
there."""

from __future__ import annotations

import struct
from datetime import UTC, datetime
from typing import Any

import pytest

from byzer_lab.providers.aws import FrameReader, Signer
from tests.providers.dialects import bedrock_frames, frame

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
NOON = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)
MODEL = "https://bedrock-runtime.us-east-1.amazonaws.com/model"


def test_the_example_of_the_documentation() -> None:
    """docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html"""
    signer = Signer("AKIDEXAMPLE", SECRET, None, "us-east-1", "iam")
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    url = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
    assert signer.headers("GET", url, b"", kind, NOON)["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )


@pytest.mark.parametrize("token", [None, "session/token+=="])
@pytest.mark.parametrize(
    "url",
    [
        f"{MODEL}/anthropic.claude-3-haiku-20240307-v1%3A0/converse-stream",
        f"{MODEL}/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fmine/converse-stream",
        "http://127.0.0.1:8080/model/a~b/converse-stream",
        "https://example.com/?b=2&a=1%2F2&c=",
    ],
)
def test_the_same_as_awss_own_library(
    url: str, token: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    auth = pytest.importorskip("botocore.auth")
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    monkeypatch.setattr(auth, "get_current_datetime", lambda *_: NOON.replace(tzinfo=None))
    body = '{"messages":"你好"}'.encode()
    given = {"Content-Type": "application/json", "Accept": "a   b"}
    theirs = AWSRequest("POST", url, headers=dict(given), data=body)
    auth.SigV4Auth(Credentials("AKID", SECRET, token), "bedrock", "us-east-1").add_auth(theirs)
    ours = Signer("AKID", SECRET, token, "us-east-1", "bedrock")
    assert ours.headers("POST", url, body, given, NOON) == dict(theirs.headers.items())


def read(data: bytes, size: int) -> list[tuple[dict[str, str], bytes]]:
    reader = FrameReader()
    found = []
    for start in range(0, len(data), size):
        found += [(one.headers, one.payload) for one in reader.feed(data[start : start + size])]
    assert reader.rest == 0
    return found


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_frames_however_they_are_cut(size: int) -> None:
    found = read(b"".join(bedrock_frames("你好", "!")), size)
    kinds = [headers[":event-type"] for headers, _ in found]
    assert kinds == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]


def test_the_same_frames_as_awss_own_library() -> None:
    eventstream = pytest.importorskip("botocore.eventstream")
    data = b"".join(bedrock_frames("你好", "!"))
    buffer = eventstream.EventStreamBuffer()
    buffer.add_data(data)
    assert read(data, 10) == [(theirs.headers, theirs.payload) for theirs in buffer]


def test_headers_that_are_no_texts() -> None:
    """Of every type that the format has; only texts are kept."""
    values: dict[str, tuple[int, bytes]] = {
        "true": (0, b""),
        "false": (1, b""),
        "byte": (2, b"\x01"),
        "short": (3, b"\x01\x02"),
        "int": (4, b"\x01\x02\x03\x04"),
        "long": (5, bytes(8)),
        "bytes": (6, struct.pack(">H", 3) + b"abc"),
        "text": (7, struct.pack(">H", 2) + b"hi"),
        "time": (8, bytes(8)),
        "uuid": (9, bytes(16)),
    }
    head = b"".join(
        bytes([len(name)]) + name.encode() + bytes([kind]) + value
        for name, (kind, value) in values.items()
    )
    assert read(with_headers(head), 5) == [({"text": "hi"}, b"{}")]


def with_headers(head: bytes) -> bytes:
    """A frame with headers byte for byte."""
    import zlib

    prelude = struct.pack(">II", 12 + len(head) + 2 + 4, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + b"{}"
    return message + struct.pack(">I", zlib.crc32(message))


def damaged(at: int) -> bytes:
    data = bytearray(frame({"a": 1}, message_type="event"))
    data[at] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (damaged(0), "frame's head"),
        (damaged(-8), "checksum of a frame"),
        (with_headers(b"\x01a\x0bxx"), "unknown type 11"),
        (with_headers(b"\x01a"), "unknown type -1"),
        (with_headers(b"\x01a\x07\x00\xffx"), "longer than"),
        (b"<html>not a frame at all</html>", "frame's head"),
    ],
)
def test_what_is_no_frame(data: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        list(FrameReader().feed(data))
