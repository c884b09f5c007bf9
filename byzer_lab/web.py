"""What the gateway and the workers share as HTTP servers: token, errors, JSON, a bound socket."""

from __future__ import annotations

import asyncio
import hmac
import socket
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from byzer_lab.errors import (
    AuthenticationError,
    ByzerLabError,
    ClusterError,
    EngineError,
    InvalidRequestError,
    NotFoundError,
    describe,
)

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

T = TypeVar("T")
NO_WAIT = "byzer-lab-no-wait"
"""Header of a request that a busy worker is to refuse instead of letting it wait."""


encode_json = msgspec.json.Encoder().encode


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A struct, or bytes that are JSON already, as a response."""
    from starlette.responses import Response

    body = value if isinstance(value, bytes) else encode_json(value)
    return Response(body, status, headers, media_type="application/json")


def error_response(error: ByzerLabError) -> Response:
    """The body and status that docs/http-api.md promises."""
    headers = {"Retry-After": "1"} if error.status == 429 else None
    return json_response({"error": error.to_wire()}, error.status, headers)


async def read_body(request: Request, kind: type[T]) -> T:
    """:func:`decode_body` of a request."""
    return decode_body(await request.body(), kind)


def decode_body(body: bytes, kind: type[T]) -> T:
    """Decode and check a JSON body.

    Raises:
        InvalidRequestError: The body is not JSON of that shape; the sentence names the field.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise InvalidRequestError(f"The request's JSON was refused: {error}") from error


async def while_connected(answer: Coroutine[Any, Any, None], receive: Receive) -> None:
    """Let an answer run as long as its reader is there; cancel it when the reader leaves.

    Args:
        answer: Sends the answer.
        receive: Of the request, whose body was read.
    """

    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    answering = asyncio.create_task(answer)
    leaving = asyncio.create_task(disconnected())
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        leaving.cancel()
        if not answering.done():
            answering.cancel()
        with suppress(asyncio.CancelledError):
            await answering


class TokenMiddleware:
    """Refuses a request without the cluster's token.

    Args:
        app: What is protected.
        token: The bearer token.
        open_paths: Paths that need none.
    """

    def __init__(self, app: ASGIApp, token: str, open_paths: frozenset[str]) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()
        self._open_paths = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in self._open_paths:
            found = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(found, self._expected):
                error = AuthenticationError("This request carries no valid cluster token.")
                await error_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def make_app(routes: list[Any], token: str, open_paths: frozenset[str] = frozenset()) -> Starlette:
    """A Starlette application with our token check and our error bodies."""
    from starlette.middleware import Middleware

    checked = Middleware(TokenMiddleware, token=token, open_paths=open_paths)

    def write(_: str, error: ByzerLabError, status: int) -> Response:
        return (
            error_response(error)
            if status == error.status
            else json_response({"error": error.to_wire()}, status)
        )

    return build_app(routes, [checked], write)


def build_app(
    routes: list[Any],
    middleware: list[Any],
    write: Callable[[str, ByzerLabError, int], Response],
) -> Starlette:
    """A Starlette application that answers every failure with a body of ours.

    Args:
        routes: Its pages.
        middleware: What a request passes through, outermost first.
        write: Makes the response of an error, from the path, the error and the status.
    """
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException

    async def known(request: Request, error: Exception) -> Response:
        assert isinstance(error, ByzerLabError)
        return write(request.url.path, error, error.status)

    async def no_such_page(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        sentence = f"{request.method} {request.url.path}: {error.detail}."
        return write(request.url.path, NotFoundError(sentence), error.status_code)

    async def unforeseen(request: Request, error: Exception) -> Response:
        found = EngineError(describe(error))
        return write(request.url.path, found, found.status)

    return Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={
            ByzerLabError: known,
            HTTPException: no_such_page,
            Exception: unforeseen,
        },
    )


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket.

    Args:
        host: Address to listen on.
        port: Port; 0 takes a free one.

    Raises:
        ClusterError: The port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named explicitly: asyncio sets TCP_NODELAY only on sockets that say they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise ClusterError(
            f"Port {port} on {host} can't be used ({error.strerror}); choose another one, or stop "
            "the program that holds it."
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The URL under which a bound socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(
    app: Starlette, *, takes_signals: bool = False, log_level: str = "warning", **more: Any
) -> uvicorn.Server:
    """A quiet uvicorn server; the caller awaits ``serve(sockets=[...])`` in its own loop.

    Args:
        app: What it serves.
        takes_signals: It ends at SIGINT and SIGTERM; else they belong to Ray.
        log_level: What uvicorn writes to stderr.
        more: Of uvicorn's configuration, such as ``ssl_keyfile``.
    """
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Generator[None]:
            if not takes_signals:
                yield
                return
            with super().capture_signals():
                yield

    config = uvicorn.Config(
        app,
        log_level=log_level,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        **more,
    )
    return Server(config)
