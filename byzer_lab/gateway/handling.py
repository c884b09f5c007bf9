"""One endpoint for models: reads the body, answers, cancels when the reader leaves."""

from __future__ import annotations

import contextlib
import json
import re
import time
import traceback
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError, describe
from byzer_lab.gateway.openai import failures
from byzer_lab.gateway.service import Exchange, Service
from byzer_lab.web import decode_body, while_connected

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

B = TypeVar("B")
MOST_BYTES = 64 * 1024 * 1024
"""Of a request's body: pictures travel in it."""
EVENTS = "text/event-stream"
STATE = "byzer-lab.exchange"
"""Where the request's scope holds its exchange."""

_NO_WHOLE_NUMBER = re.compile(r"Expected `[^`]*\bint\b[^`]*`, got `float`")
_PLACE = re.compile(r" - at `\$\.?(?P<path>[^`]*)`")
_UNKNOWN = re.compile(r"unknown field `(?P<name>[^`]*)`")


class Failures(Protocol):
    """How a family of endpoints writes errors."""

    def error_response(self, error: ByzerLabError, headers: dict[str, str]) -> Response: ...

    def error_event(self, error: ByzerLabError) -> bytes: ...


class Stream:
    """An answer in pieces, each ready to be sent.

    Args:
        pieces: The pieces; nothing is sent before the first one is there.
        media_type: What they make.
    """

    def __init__(self, pieces: AsyncGenerator[bytes], media_type: str = EVENTS) -> None:
        self.pieces = pieces
        self.media_type = media_type


class Handler(Generic[B]):
    """An endpoint as an ASGI application.

    Args:
        service: See :class:`Service`.

    Attributes:
        path: Where it is served.
        summary: For the page of documentation.
        body: What a request holds.
        failures: How errors look.
    """

    path: ClassVar[str]
    summary: ClassVar[str]
    body: type[B]
    failures: ClassVar[Failures] = failures
    example: ClassVar[dict[str, Any]] = {}

    def __init__(self, service: Service) -> None:
        self.service = service

    async def answer(self, body: B, exchange: Exchange) -> Response | Stream:
        """Answer a request.

        Raises:
            ByzerLabError: It can't be answered.
        """
        raise NotImplementedError

    async def read(self, scope: Scope, receive: Receive) -> B:
        """The body of a request.

        Raises:
            InvalidRequestError: It is not what :attr:`body` says, or too large.
        """
        return _read(await read_whole(Request(scope, receive)), self.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: Exchange = scope.get(STATE) or Exchange()
        started, status = time.perf_counter(), 499  # nothing sent: the reader has left

        async def watched(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics = self.service.metrics
        try:
            with metrics.running.track_inprogress():
                await self._serve(exchange, scope, receive, watched)
        except ClientDisconnect:
            status = 499
        finally:
            seconds = time.perf_counter() - started
            metrics.count(self.path, exchange.deployment, status, seconds, exchange.usage)

    async def _serve(self, exchange: Exchange, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {"x-request-id": exchange.id}
        begun = False

        async def once(message: Any) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            body = await self.read(scope, receive)
            answering = self._answer(body, exchange, scope, receive, once)
            await while_connected(answering, receive)
        except ByzerLabError as error:
            if begun:
                raise
            await self.failures.error_response(error, headers)(scope, receive, send)

    async def _answer(
        self, body: B, exchange: Exchange, scope: Scope, receive: Receive, send: Send
    ) -> None:
        with _foreseen():
            answer = await self.answer(body, exchange)
        if isinstance(answer, Response):
            answer.headers["x-request-id"] = exchange.id
            await answer(scope, receive, send)
            return
        async with contextlib.aclosing(answer.pieces) as pieces:
            with _foreseen():
                piece = await anext(pieces)  # an error before it has a status of its own
            headers = [
                (b"content-type", answer.media_type.encode()),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
                (b"x-request-id", exchange.id.encode()),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                while True:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                    with _foreseen():
                        piece = await anext(pieces)
            except StopAsyncIteration:
                pass
            except ByzerLabError as error:
                if answer.media_type != EVENTS:
                    raise  # half a sound can only be broken off
                piece = self.failures.error_event(error)
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


@contextlib.contextmanager
def _foreseen() -> Any:
    """Whatever fails is an error of ours."""
    try:
        yield
    except (ByzerLabError, StopAsyncIteration):
        raise
    except Exception as error:
        traceback.print_exc()
        raise EngineError(describe(error)) from error


async def read_whole(request: Request) -> bytes:
    """The bytes of a body.

    Raises:
        InvalidRequestError: There are more than :data:`MOST_BYTES`.
    """
    size, blocks = 0, []
    async for block in request.stream():
        size += len(block)
        if size > MOST_BYTES:
            raise _TooLargeError(f"The request has more than {MOST_BYTES >> 20} MiB.")
        blocks.append(block)
    return b"".join(blocks)


class _TooLargeError(InvalidRequestError):
    code = "request_too_large"
    status = 413


def _read(body: bytes, kind: type[B]) -> B:
    """Decode and check a body; the error names the parameter as OpenAI does."""
    try:
        try:
            return decode_body(body, kind)
        except InvalidRequestError as error:
            if not _NO_WHOLE_NUMBER.search(error.message):
                raise
            return decode_body(_with_whole_numbers(body), kind)
    except InvalidRequestError as error:
        place = _PLACE.search(error.message)
        unknown = _UNKNOWN.search(error.message)
        names = [place["path"] if place else "", unknown["name"] if unknown else ""]
        error.details["param"] = ".".join(name for name in names if name) or None
        if unknown:
            error.message = f"Unknown parameter: {error.details['param']!r}."
        raise


def _with_whole_numbers(body: bytes) -> bytes:
    """The body with ``1.0`` as ``1``: JSON knows no difference, and some clients write it so."""

    def read(text: str) -> int | float:
        value = float(text)
        return int(value) if value.is_integer() else value

    try:
        return json.dumps(json.loads(body, parse_float=read), allow_nan=False).encode()
    except (ValueError, RecursionError):  # a number beyond all bounds, or deeper than Python reads
        return body


def text_event(name: str, data: bytes) -> bytes:
    """A named server-sent event."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


Maker = Callable[[Service], Handler[Any]]
