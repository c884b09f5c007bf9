"""Each provider's own wire format, as much of it as a whole answer needs."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from byzer_lab.types import Chunk
from tests.support.scripted_http import JSON, SSE, Reply, answer, event

EVENTS = "application/vnd.amazon.eventstream"


@dataclass(frozen=True)
class Dialect:
    """A provider that the tests of faults ask.

    Attributes:
        kind: ``saas/NAME``.
        params: Of the deployment, beside key and address; ``__`` for a dot.
        whole: Makes the answer that says a text.
        binary: The text comes as a sound's bytes.
        streams: It comes in pieces.
        begun: Pieces after which the first part of the answer has come.
    """

    kind: str
    params: dict[str, Any]
    whole: Callable[[str], Reply]
    binary: bool = False
    streams: bool = True
    begun: int = 1

    def said(self, chunks: list[Chunk]) -> str:
        """What chunks say together."""
        if self.binary:
            return b"".join(chunk.data for chunk in chunks).decode()
        return "".join(chunk.text for chunk in chunks)


def halves(text: str) -> tuple[str, str]:
    """A text in two pieces."""
    return text[: len(text) // 2], text[len(text) // 2 :]


# -- Anthropic ------------------------------------------------------------------------------


def claude_events(*texts: str, stop: str = "end_turn", **usage: int) -> list[dict[str, Any]]:
    """The events of a message, as https://docs.anthropic.com/en/docs/build-with-claude/streaming
    shows them."""
    counts = {"input_tokens": 25, "output_tokens": 1, **usage}
    message = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-3-haiku-20240307",
        "content": [],
        "stop_reason": None,
        "usage": counts,
    }
    start = {"type": "text", "text": ""}
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": start},
        {"type": "ping"},
        *(
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": text},
            }
            for text in texts
        ),
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {
                "stop_reason": stop,
                "stop_sequence": "END" if stop == "stop_sequence" else None,
            },
            "usage": {"output_tokens": 15},
        },
        {"type": "message_stop"},
    ]


def named_events(*values: dict[str, Any], **options: Any) -> Reply:
    """Events with their names, as Anthropic sends them."""
    pieces = [event(value, named=True) for value in values]
    return Reply(pieces, content_type=SSE, **options)


# -- Google ---------------------------------------------------------------------------------


def gemini_piece(text: str = "", finish: str = "", **part: Any) -> dict[str, Any]:
    """A piece of a streamed answer, as https://ai.google.dev/api/generate-content has it."""
    parts = [{"text": text, **part}] if text else []
    candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {
        "candidates": [candidate],
        "usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 7, "totalTokenCount": 16},
        "modelVersion": "gemini-2.5-flash",
        "responseId": "resp_1",
    }


def gemini_events(*values: dict[str, Any], **options: Any) -> Reply:
    """Events with the line ends that Google sends."""
    pieces = [event(value).replace(b"\n", b"\r\n") for value in values]
    return Reply(pieces, content_type=SSE, **options)


# -- AWS ------------------------------------------------------------------------------------


def frame(payload: Any, **headers: str) -> bytes:
    """A frame as https://smithy.io/2.0/aws/amazon-eventstream.html describes it."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    head = b""
    for name, value in headers.items():
        key = f":{name.replace('_', '-')}".encode()
        head += bytes([len(key)]) + key + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    prelude = struct.pack(">II", 12 + len(head) + len(body) + 4, len(head))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + body
    return message + struct.pack(">I", zlib.crc32(message))


def bedrock_event(kind: str, payload: Any) -> bytes:
    """The frame of an event of ConverseStream."""
    return frame(payload, event_type=kind, content_type=JSON, message_type="event")


def bedrock_frames(*texts: str, stop: str = "end_turn") -> list[bytes]:
    """The frames of an answer."""
    return [
        bedrock_event("messageStart", {"role": "assistant", "p": "abc"}),
        *(
            bedrock_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}})
            for text in texts
        ),
        bedrock_event("contentBlockStop", {"contentBlockIndex": 0}),
        bedrock_event("messageStop", {"stopReason": stop}),
        bedrock_event(
            "metadata",
            {
                "usage": {"inputTokens": 9, "outputTokens": 4, "totalTokens": 13},
                "metrics": {"latencyMs": 321},
            },
        ),
    ]


def bedrock_reply(*frames: bytes, **options: Any) -> Reply:
    """A stream of frames."""
    headers = {"x-amzn-RequestId": "aws-1"}
    return Reply(list(frames), content_type=EVENTS, headers=headers, **options)


# -- MiniMax --------------------------------------------------------------------------------

OK = {"status_code": 0, "status_msg": "success"}


def minimax_sound(sound: bytes, status: int = 1) -> dict[str, Any]:
    """A piece of a sound."""
    data = {"audio": sound.hex(), "status": status, "ced": ""}
    return {"data": data, "trace_id": "trace_1", "base_resp": OK}


def minimax_pro(text: str, finish: str = "") -> dict[str, Any]:
    """A piece of an answer of the old interface."""
    said = {"sender_type": "BOT", "sender_name": "Assistant", "text": text}
    return {
        "created": 1689738159,
        "model": "abab5.5-chat",
        "reply": text if finish else "",
        "choices": [{"finish_reason": finish, "messages": [said]}],
        "usage": {"total_tokens": 47} if finish else {},
        "request_id": "req_1",
        "base_resp": OK,
    }


# -- all of them ----------------------------------------------------------------------------


def _claude(text: str) -> Reply:
    return named_events(*claude_events(*halves(text)))


def _gemini(text: str) -> Reply:
    first, second = halves(text)
    return gemini_events(gemini_piece(first), gemini_piece(second, "STOP"))


def _bedrock(text: str) -> Reply:
    return bedrock_reply(*bedrock_frames(*halves(text)))


def _minimax_speech(text: str) -> Reply:
    sound = text.encode()
    middle = len(sound) // 2
    pieces = [
        minimax_sound(sound[:middle]),
        minimax_sound(sound[middle:]),
        minimax_sound(sound, 2),  # the whole once more, where it is not told to leave that out
    ]
    return Reply([event(piece) for piece in pieces], content_type=SSE)


def _minimax_pro(text: str) -> Reply:
    first, second = halves(text)
    pieces = [minimax_pro(first), minimax_pro(second), minimax_pro(text, "stop")]
    return Reply([event(piece) for piece in pieces], content_type=SSE)


def _volcengine(text: str) -> Reply:
    data = base64.b64encode(text.encode()).decode()
    return answer(
        {
            "reqid": "r1",
            "code": 3000,
            "operation": "query",
            "message": "Success",
            "sequence": -1,
            "data": data,
            "addition": {"duration": "1960"},
        }
    )


def _azure(text: str) -> Reply:
    sound = text.encode()
    middle = len(sound) // 2
    return Reply([sound[:middle], sound[middle:]], content_type="audio/mpeg")


DIALECTS = {
    "claude": Dialect("saas/claude", {"saas__model": "claude-3-haiku-20240307"}, _claude, begun=4),
    "gemini": Dialect("saas/gemini", {"saas__model": "gemini-2.5-flash"}, _gemini),
    "bedrock": Dialect(
        "saas/aws_bedrock",
        {
            "saas__api_key": None,
            "saas__aws_access_key": "AKIDEXAMPLE",
            "saas__aws_secret_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            "saas__region_name": "us-east-1",
            "saas__model": "anthropic.claude-3-haiku-20240307-v1:0",
        },
        _bedrock,
        begun=2,
    ),
    "minimax_speech": Dialect(
        "saas/minimax", {"saas__model": "speech-02-turbo"}, _minimax_speech, binary=True
    ),
    "minimax_pro": Dialect(
        "saas/minimax", {"saas__model": "abab5.5-chat", "pro": True}, _minimax_pro
    ),
    "volcengine": Dialect(
        "saas/volcengine", {"saas__app_id": "app1"}, _volcengine, binary=True, streams=False
    ),
    "azure": Dialect("saas/azure", {}, _azure, binary=True),
}
