"""Spark on loopback: a WebSocket that checks signatures and answers as a test scripts it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import Request, Response, ServerConnection, serve

API_KEY, API_SECRET = "spark-key-0123456789", "spark-secret-0123456789"


def frame(text: str = "", status: int = 1, **fields: Any) -> dict[str, Any]:
    """A frame of an answer, as https://www.xfyun.cn/doc/spark/Web.html has it."""
    said = [{"content": text, "role": "assistant", "index": 0, **fields}]
    payload: dict[str, Any] = {"choices": {"status": status, "seq": 0, "text": said}}
    if status == 2:
        counts = {"question_tokens": 4, "prompt_tokens": 5, "completion_tokens": 9}
        payload["usage"] = {"text": {**counts, "total_tokens": 14}}
    return {
        "header": {"code": 0, "message": "Success", "sid": "cht000cb087", "status": status},
        "payload": payload,
    }


def refusal(code: int, message: str = "Bad luck") -> dict[str, Any]:
    """A frame that refuses."""
    return {"header": {"code": code, "message": message, "sid": "cht1", "status": 2}}


@dataclass
class Script:
    """What one connection is answered with.

    Attributes:
        frames: JSON values, or texts that are sent as they stand.
        status: Of HTTP, in the place of a WebSocket.
        body: Of that refusal.
        cut: Drops the connection after the frames.
        hold: Waits after the frames until the client leaves.
    """

    frames: list[Any] = field(default_factory=list)
    status: int = 101
    body: str = ""
    cut: bool = False
    hold: bool = False


class SparkServer:
    """Answers connections with scripts, in their order.

    Attributes:
        url: Without a path.
        paths: Of the connections that came, without their queries.
        questions: What they asked.
        left: Set when a client left while it was held.
    """

    def __init__(self) -> None:
        self.url = ""
        self.paths: list[str] = []
        self.questions: list[Any] = []
        self.peers: list[str] = []
        self.left = asyncio.Event()
        self._scripts: list[Script] = []

    def script(self, *scripts: Script) -> None:
        """Answer the next connections with these."""
        self._scripts.extend(scripts)

    @property
    def unused(self) -> int:
        """Scripts that no connection has come for."""
        return len(self._scripts)

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse what is not signed, or what the script refuses."""
        self.paths.append(urlsplit(request.path).path)
        self.peers.append(connection.remote_address[0])
        if not signed(request.path, request.headers["Host"]):
            return connection.respond(HTTPStatus.UNAUTHORIZED, '{"message":"HMAC signature"}')
        script = self._scripts[0]
        if script.status != 101:
            self._scripts.pop(0)
            return connection.respond(HTTPStatus(script.status), script.body)
        return None

    async def serve(self, connection: ServerConnection) -> None:
        """Answer one connection."""
        script = self._scripts.pop(0)
        self.questions.append(json.loads(await connection.recv()))
        for one in script.frames:
            text = one if isinstance(one, str | bytes) else json.dumps(one, ensure_ascii=False)
            await connection.send(text)
        if script.cut:
            connection.transport.abort()
        if script.hold:
            await connection.wait_closed()
            self.left.set()


def signed(target: str, host: str) -> bool:
    """Whether a request's query holds the signature of our secret."""
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if query.keys() != {"authorization", "date", "host"} or query["host"] != host:
        return False
    authorization = base64.b64decode(query["authorization"]).decode()
    fields = dict(re.findall(r'(\w+)="([^"]*)"', authorization))
    told = f"host: {host}\ndate: {query['date']}\nGET {parts.path} HTTP/1.1"
    digest = hmac.new(API_SECRET.encode(), told.encode(), hashlib.sha256).digest()
    assert parsedate_to_datetime(query["date"]).tzinfo is not None
    return fields == {
        "api_key": API_KEY,
        "algorithm": "hmac-sha256",
        "headers": "host date request-line",
        "signature": base64.b64encode(digest).decode(),
    }


@contextlib.asynccontextmanager
async def spark_server() -> AsyncIterator[SparkServer]:
    """A server on a free port of loopback; it must have used up its scripts in the end."""
    server = SparkServer()
    listening = await serve(
        server.serve, "127.0.0.1", 0, process_request=server.check, max_size=None, close_timeout=1
    )
    async with listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        server.url = f"ws://127.0.0.1:{port}"
        yield server
    assert server.unused == 0, f"{server.unused} scripts were not asked for"
