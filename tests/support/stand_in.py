"""A provider on loopback that speaks OpenAI's wire format and makes its answers up.

For the notebooks, and for tests that need many answers and no script. It answers with the question,
turned round: nothing of it is a model.

With tools it calls those whose names stand in the last message of the user, with the arguments that
follow there in brackets, ``now({"zone": "UTC"})``, or with some that fit. With a schema it answers
with the first JSON of that message that fits, or with some that does.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import math
import re
import struct
import threading
import uuid
import wave
import zlib
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from byzer_lab.web import bind, make_server, url_of
from tests.support.examples import example, values_in

KEY = "sk-stand-in-0123456789abcdef"
WORDS = "You said"
RATE = 8000


class StandIn:
    """The server, on a thread of its own; a context manager.

    Args:
        pause_s: Between two words of an answer.
        key: The only key that it takes.

    Attributes:
        url: Its base URL, which ends in ``/v1``.
        most_at_once: Most requests that it was answering at a time.
        answered: Requests that it has answered.
        left: Requests whose caller left before the end.
    """

    def __init__(self, pause_s: float = 0.0, key: str = KEY) -> None:
        self._pause_s = pause_s
        self._key = key
        self._at_once = self.most_at_once = self.answered = self.left = 0
        calls = {
            "/v1/chat/completions": self._chat,
            "/v1/embeddings": self._embed,
            "/v1/audio/speech": self._speak,
            "/v1/images/generations": self._draw,
        }
        app = Starlette(
            routes=[
                Route(path, self._checked(call), methods=["POST"]) for path, call in calls.items()
            ]
        )
        self._listener = bind("127.0.0.1", 0)
        self.url = f"{url_of(self._listener)}/v1"
        self._server = make_server(app)
        self._thread = threading.Thread(target=self._run, name="stand-in", daemon=True)

    def start(self) -> StandIn:
        """Serve until :meth:`stop`."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it."""
        self._server.should_exit = True
        self._thread.join(10)

    def __enter__(self) -> StandIn:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def _checked(self, call: Any) -> Any:
        async def answer(request: Request) -> Response:
            if request.headers.get("authorization") != f"Bearer {self._key}":
                said = {"message": "Incorrect API key provided.", "code": "invalid_api_key"}
                return JSONResponse({"error": said}, 401)
            response: Response = await call(await request.json())
            response.headers["x-request-id"] = f"stand-in-{self.answered}"
            return response

        return answer

    async def _chat(self, body: dict[str, Any]) -> Response:
        last = body["messages"][-1]
        content = last["content"]
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        said = " ".join(part["text"] for part in parts if part["type"] == "text")
        pictures = sum(part["type"] == "image_url" for part in parts)
        seen = f" and showed {pictures} picture{'s' if pictures > 1 else ''}" if pictures else ""
        calls = [] if last["role"] == "tool" else _calls(body, said)
        answer = _object(body, said) or f"{WORDS}{seen}: {said}"
        pieces = answer.split(" ")[: body.get("max_tokens")]
        deltas: list[dict[str, Any]] = [
            {"content": word if place == 0 else f" {word}"} for place, word in enumerate(pieces)
        ]
        if calls:
            deltas = list(_call_deltas(calls))
        return StreamingResponse(
            self._pieces(body["model"], said, deltas, "tool_calls" if calls else "stop"),
            media_type="text/event-stream",
        )

    async def _pieces(
        self, model: str, said: str, deltas: list[dict[str, Any]], finish: str
    ) -> AsyncIterator[bytes]:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        whole = False
        try:
            for delta in deltas:
                yield _event({"model": model, "choices": [{"index": 0, "delta": delta}]})
                await asyncio.sleep(self._pause_s)
            end = {"index": 0, "delta": {}, "finish_reason": finish}
            counts = {"prompt_tokens": len(said.split()), "completion_tokens": len(deltas)}
            yield _event({"model": model, "choices": [end]})
            yield _event({"model": model, "choices": [], "usage": counts})
            yield b"data: [DONE]\n\n"
            whole = True
        finally:
            self._at_once -= 1
            self.answered += whole
            self.left += not whole

    async def _embed(self, body: dict[str, Any]) -> Response:
        rows = [
            {"index": place, "embedding": _vector(text)} for place, text in enumerate(body["input"])
        ]
        tokens = sum(len(text.split()) for text in body["input"])
        self.answered += 1
        return JSONResponse(
            {
                "data": rows,
                "model": body["model"],
                "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
            }
        )

    async def _speak(self, body: dict[str, Any]) -> Response:
        self.answered += 1
        return StreamingResponse(_slices(_tone(len(body["input"]))), media_type="audio/wav")

    async def _draw(self, body: dict[str, Any]) -> Response:
        self.answered += 1
        picture = base64.b64encode(_picture(body["prompt"])).decode()
        return JSONResponse({"data": [{"b64_json": picture}] * body.get("n", 1)})


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value)}\n\n".encode()


def _calls(body: dict[str, Any], said: str) -> list[tuple[str, str]]:
    """Names and arguments of the tools that are called."""
    choice = body.get("tool_choice", "auto")
    tools = {tool["function"]["name"]: tool["function"] for tool in body.get("tools", [])}
    if isinstance(choice, dict):
        names = [choice["function"]["name"]]
    else:
        names = [name for name in tools if re.search(rf"\b{re.escape(name)}\b", said)]
        if choice == "required":
            names = names or list(tools)[:1]
    if choice == "none":
        return []
    if body.get("parallel_tool_calls") is False:
        names = names[:1]
    calls = []
    for name in names:
        given = re.search(rf"\b{re.escape(name)}\((?=\{{)", said)
        arguments = next(values_in(said[given.end() :])) if given else None
        if arguments is None:
            arguments = example(tools[name].get("parameters") or {"type": "object"})
        calls.append((name, json.dumps(arguments)))
    return calls


def _call_deltas(calls: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    for place, (name, arguments) in enumerate(calls):
        middle = len(arguments) // 2
        function = {"name": name, "arguments": ""}
        first = {"index": place, "id": f"call_{uuid.uuid4().hex[:12]}", "type": "function"}
        yield {"tool_calls": [{**first, "function": function}]}
        for piece in (arguments[:middle], arguments[middle:]):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _object(body: dict[str, Any], said: str) -> str:
    """The JSON that is asked for; empty where none is."""
    wish = body.get("response_format") or {}
    if wish.get("type") not in ("json_schema", "json_object"):
        return ""
    schema = wish.get("json_schema", {}).get("schema") or {"type": "object"}
    check = Draft202012Validator(schema)
    fitting = (
        one
        for one in values_in(said)
        if check.is_valid(one) and not (isinstance(one, dict) and one.get("type") == "object")
    )
    return json.dumps(next(fitting, None) or example(schema), ensure_ascii=False)


def _vector(text: str) -> list[float]:
    """Eight numbers that depend on the text."""
    return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:8]]


def _tone(letters: int) -> bytes:
    """A WAV file: a tone, longer for a longer text."""
    count = RATE // 20 * max(1, min(letters, 40))
    wavelength = [int(8000 * math.sin(2 * math.pi * 440 * at / RATE)) for at in range(count)]
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(struct.pack(f"<{count}h", *wavelength))
    return file.getvalue()


async def _slices(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), 4096):
        yield data[start : start + 4096]


def _picture(text: str) -> bytes:
    """A PNG file of 64 x 64 points, all of a colour that depends on the text."""
    colour = hashlib.sha256(text.encode()).digest()[:3]
    rows = (b"\0" + colour * 64) * 64

    def part(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + part(b"IHDR", head)
        + part(b"IDAT", zlib.compress(rows))
        + part(b"IEND", b"")
    )
