"""A worker's endpoint in front of engines that fail: what the caller gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import httpx
import msgspec
import pytest

from byzer_lab.errors import EngineDeadError, EngineError
from byzer_lab.records import Load
from byzer_lab.secrets import Redactor
from byzer_lab.types import Chunk, GenerateRequest, Progress, Usage
from byzer_lab.web import make_app
from byzer_lab.workers.admission import Admission
from byzer_lab.workers.endpoint import worker_routes

KEY = "sk-very-secret"


class FailingEngine:
    """Yields ``chunks`` words, then does ``end``."""

    def __init__(self, chunks: int, end: Callable[[], None]) -> None:
        self._chunks = chunks
        self._end = end

    def load(self, report: Any) -> None:
        """Nothing to load."""

    def meta(self) -> dict[str, Any]:
        return {}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        for _ in range(self._chunks):
            yield Chunk(text="word ", tokens=1)
        self._end()

    async def close(self) -> None:
        """Nothing to free."""


def fail(error: BaseException) -> Callable[[], None]:
    def end() -> None:
        raise error

    return end


async def ask(engine: FailingEngine) -> tuple[dict[str, Any], Admission, list[EngineDeadError]]:
    """The error of an answer, before its first chunk or as its last line."""
    admission, dead = Admission("m", 1, 1), []
    routes = worker_routes(engine, admission, lambda _: None, dead.append, Redactor([KEY]), Load)
    transport = httpx.ASGITransport(make_app(routes, "token"), raise_app_exceptions=False)
    headers = {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://worker", headers=headers
    ) as client:
        body = msgspec.json.encode(GenerateRequest(request_id="r", prompt="x"))
        reply = await asyncio.wait_for(client.post("/generate", content=body), 5)
    last = msgspec.json.decode(reply.content.splitlines()[-1])
    return last["error"], admission, dead


@pytest.mark.parametrize("chunks", [0, 2])
@pytest.mark.parametrize(
    ("end", "sentence"),
    [
        (fail(EngineError(f"401 wrong key {KEY}", key=KEY)), "401 wrong key ******"),
        (fail(EngineDeadError(f"401 wrong key {KEY}", key=KEY)), "401 wrong key ******"),
        (fail(ValueError(f"wrong key {KEY}")), "ValueError: wrong key ******"),
        (fail(asyncio.CancelledError()), "The engine cancelled its own answer."),
        (lambda: None, "The engine ended its answer without a last chunk."),
    ],
    ids=["known", "dead", "foreign", "cancelled", "unfinished"],
)
async def test_an_engine_fails(chunks: int, end: Callable[[], None], sentence: str) -> None:
    error, admission, dead = await ask(FailingEngine(chunks, end))
    assert error["message"] == sentence
    assert KEY not in str(error)
    assert admission.idle
    assert [item.message for item in dead] == [sentence] * (error["code"] == "engine_dead")


class DrawingEngine(FailingEngine):
    """Tells its steps, and looks at what the worker tells of them meanwhile."""

    def __init__(self, end: Callable[[], None]) -> None:
        super().__init__(0, end)
        self.admission: Admission | None = None
        self.told: list[Progress | None] = []

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        assert self.admission is not None
        for step in range(3):
            yield Chunk(progress=Progress(step, 3, "drawing"))
            self.told.append(self.admission.progress)
        self._end()
        yield Chunk(finish_reason="stop", usage=Usage())


@pytest.mark.parametrize(
    "end", [lambda: None, fail(EngineError("no paint"))], ids=["whole", "fails"]
)
async def test_a_worker_tells_how_drawing_goes(end: Callable[[], None]) -> None:
    engine, admission = DrawingEngine(end), Admission("m", 1, 1)
    engine.admission = admission
    routes = worker_routes(engine, admission, lambda _: None, lambda _: None, Redactor([]), Load)
    transport = httpx.ASGITransport(make_app(routes, "token"), raise_app_exceptions=False)
    headers = {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://worker", headers=headers
    ) as client:
        body = msgspec.json.encode(GenerateRequest(request_id="r", prompt="x"))
        await asyncio.wait_for(client.post("/generate", content=body), 5)
    assert engine.told == [Progress(step, 3, "drawing") for step in range(3)]
    assert admission.progress is None
