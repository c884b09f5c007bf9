"""What the benchmarks compare with: Ray actors without Byzer Lab."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from typing import Any

OPTIONS = {"num_cpus": 0, "max_concurrency": 1000}


class Bare:
    """Answers calls, streams tokens by a Ray generator, and opens an HTTP endpoint."""

    async def pid(self) -> int:
        return os.getpid()

    async def memory_mb(self) -> float:
        import psutil

        return float(psutil.Process().memory_info().rss / 2**20)

    async def call(self, text: str) -> str:
        return text

    async def stream(self, count: int) -> AsyncGenerator[str]:
        for number in range(count):
            yield f"{number} "

    async def listen(self) -> str:
        """Serve two lines at once by the same HTTP server that workers use."""
        from byzer_lab.web import bind, make_server, url_of

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            headers = [(b"content-type", b"application/x-ndjson")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            line = b'{"text":"1 ","tokens":1}\n'
            await send({"type": "http.response.body", "body": line, "more_body": True})
            await send({"type": "http.response.body", "body": b'{"finish_reason":"stop"}\n'})

        listener = bind("127.0.0.1", 0)
        server = make_server(app)  # type: ignore[arg-type]
        self._serving = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            await asyncio.sleep(0.005)
        return url_of(listener)
