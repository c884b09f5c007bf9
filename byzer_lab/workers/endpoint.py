"""The worker's HTTP endpoint: ``POST`` to what its engine can do, and ``GET /load``."""

from __future__ import annotations

import asyncio
import contextlib
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from byzer_lab.engines.base import (
    Embeds,
    Engine,
    Generates,
    RendersChats,
    Reranks,
    Tokenizes,
    refusal,
)
from byzer_lab.errors import (
    ByzerLabError,
    EngineDeadError,
    EngineError,
    InvalidRequestError,
    describe,
)
from byzer_lab.records import Load
from byzer_lab.secrets import Redactor
from byzer_lab.types import (
    Chunk,
    GenerateRequest,
    TemplateAnswer,
    TemplateRequest,
    TokenizeAnswer,
    TokenizeRequest,
)
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest
from byzer_lab.web import NO_WAIT, json_response, read_body, while_connected
from byzer_lab.workers.admission import Admission
from byzer_lab.workers.streaming import coalesced, timed

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

R = TypeVar("R")
JSON = [(b"content-type", b"application/json")]
NDJSON = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]


class Endpoint(Generic[R]):
    """Answers one request per connection as an ASGI application; closing it cancels.

    Args:
        engine: The loaded engine.
        admission: Slots and waiting places.
        count: Told the number of tokens as they come.
        give_up: Told why, when the engine can answer nothing more.
        redact: Hides secrets in the engine's errors.
    """

    request: type[R]
    ability: type
    takes_a_slot = True

    def __init__(
        self,
        engine: Engine,
        admission: Admission,
        count: Callable[[int], None],
        give_up: Callable[[EngineDeadError], None],
        redact: Redactor,
    ) -> None:
        self._engine: Any = engine
        self._admission = admission
        self._count = count
        self._give_up = give_up
        self._redact = redact

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not isinstance(self._engine, self.ability):
            raise InvalidRequestError(refusal(self._admission.name, self._engine, self.ability))
        request = Request(scope, receive)
        body = await read_body(request, self.request)
        if NO_WAIT in request.headers and self.takes_a_slot:
            self._admission.refuse_when_busy()
        await while_connected(self._answer(body, send), receive)

    async def _answer(self, request: R, send: Send) -> None:
        raise NotImplementedError

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn whatever the engine raises into what the caller gets."""
        try:
            yield
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise  # the caller has left
            raise EngineError("The engine cancelled its own answer.") from None
        except ByzerLabError as error:
            known = self._redact.error(error)
            if isinstance(known, EngineDeadError):
                self._give_up(known)
            raise known from None
        except Exception as error:
            traceback.print_exc()  # into the deployment's log
            raise EngineError(self._redact(describe(error))) from None


class GenerateEndpoint(Endpoint[GenerateRequest]):
    """``POST /generate``: streams chunks."""

    request = GenerateRequest
    ability = Generates

    async def _answer(self, request: GenerateRequest, send: Send) -> None:
        arrived = time.perf_counter()
        async with self._admission:
            queue_s = time.perf_counter() - arrived
            chunks = timed(self._generate(request), arrived, queue_s, self._count)
            # Waited for before the status is sent: a request that can't be served gets its 400.
            first = await anext(chunks)
            await send({"type": "http.response.start", "status": 200, "headers": NDJSON})
            lines = coalesced(_chain(first, chunks), lambda: self._admission.in_flight)
            async with contextlib.aclosing(lines) as blocks:
                async for block in blocks:
                    await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

    async def _generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        told = None
        try:
            with self._failures():
                async with contextlib.aclosing(self._engine.generate(request)) as chunks:
                    async for chunk in chunks:
                        if chunk.progress:
                            told = self._admission.progress = chunk.progress
                        yield chunk
        finally:
            if told is not None and self._admission.progress is told:
                self._admission.progress = None


class WholeEndpoint(Endpoint[R]):
    """An answer that comes in one piece."""

    async def _answer(self, request: R, send: Send) -> None:
        arrived = time.perf_counter()
        async with self._admission:
            queue_s = time.perf_counter() - arrived
            with self._failures():
                answer = await self._ask(request)
            usage = answer.usage
            usage.queue_ms = queue_s * 1000
            usage.first_token_ms = usage.total_ms = (time.perf_counter() - arrived) * 1000
            self._count(usage.input_tokens)
            body = msgspec.json.encode(answer)
            await send({"type": "http.response.start", "status": 200, "headers": JSON})
            await send({"type": "http.response.body", "body": body})

    async def _ask(self, request: R) -> EmbedAnswer | RerankAnswer:
        raise NotImplementedError


class EmbedEndpoint(WholeEndpoint[EmbedRequest]):
    """``POST /embed``."""

    request = EmbedRequest
    ability = Embeds

    async def _ask(self, request: EmbedRequest) -> EmbedAnswer:
        answer: EmbedAnswer = await self._engine.embed(request)
        return answer


class RerankEndpoint(WholeEndpoint[RerankRequest]):
    """``POST /rerank``."""

    request = RerankRequest
    ability = Reranks

    async def _ask(self, request: RerankRequest) -> RerankAnswer:
        answer: RerankAnswer = await self._engine.rerank(request)
        return answer


class LightEndpoint(Endpoint[R]):
    """A question about the model that is answered at once, whatever else the worker does."""

    takes_a_slot = False

    async def _answer(self, request: R, send: Send) -> None:
        with self._failures():
            answer = await self._ask(request)
        await send({"type": "http.response.start", "status": 200, "headers": JSON})
        await send({"type": "http.response.body", "body": msgspec.json.encode(answer)})

    async def _ask(self, request: R) -> TokenizeAnswer | TemplateAnswer:
        raise NotImplementedError


class TokenizeEndpoint(LightEndpoint[TokenizeRequest]):
    """``POST /tokenize``."""

    request = TokenizeRequest
    ability = Tokenizes

    async def _ask(self, request: TokenizeRequest) -> TokenizeAnswer:
        answer: TokenizeAnswer = await self._engine.tokenize(request)
        return answer


class TemplateEndpoint(LightEndpoint[TemplateRequest]):
    """``POST /apply_chat_template``."""

    request = TemplateRequest
    ability = RendersChats

    async def _ask(self, request: TemplateRequest) -> TemplateAnswer:
        answer: TemplateAnswer = await self._engine.apply_chat_template(request)
        return answer


ENDPOINTS: dict[str, type[Endpoint[Any]]] = {
    "/generate": GenerateEndpoint,
    "/embed": EmbedEndpoint,
    "/rerank": RerankEndpoint,
    "/tokenize": TokenizeEndpoint,
    "/apply_chat_template": TemplateEndpoint,
}


async def _chain(first: Chunk, rest: AsyncIterator[Chunk]) -> AsyncIterator[Chunk]:
    yield first
    async for chunk in rest:
        yield chunk


def worker_routes(
    engine: Engine,
    admission: Admission,
    count: Callable[[int], None],
    give_up: Callable[[EngineDeadError], None],
    redact: Redactor,
    load: Callable[[], Load],
) -> list[Route]:
    """The data plane of one worker; see docs/http-api.md. Arguments as of :class:`Endpoint`, and
    ``load``, which tells what the worker is doing."""

    async def current_load(_: Request) -> Response:
        return json_response(load())

    return [
        *(
            Route(path, endpoint(engine, admission, count, give_up, redact), methods=["POST"])
            for path, endpoint in ENDPOINTS.items()
        ),
        Route("/load", current_load),
    ]
