"""What the gateway and the workers share as HTTP servers: token, errors, JSON, a bound socket."""

from __future__ import annotations

import hmac
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from byzer_lab.errors import (
    AuthenticationError,
    ByzerLabError,
    ClusterError,
    EngineError,
    InvalidRequestError,
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


def json_response(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A struct, or bytes that are JSON already, as a response."""
    from starlette.responses import Response

    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
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
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware

    async def known(_: Request, error: Exception) -> Response:
        assert isinstance(error, ByzerLabError)
        return error_response(error)

    async def no_such_page(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        sentence = f"{request.method} {request.url.path}: {error.detail}."
        body = {"error": {"code": "not_found", "message": sentence, "details": {}}}
        return json_response(body, error.status_code)

    async def unforeseen(_: Request, error: Exception) -> Response:
        return error_response(EngineError(describe(error)))

    return Starlette(
        routes=routes,
        middleware=[Middleware(TokenMiddleware, token=token, open_paths=open_paths)],
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


def make_server(app: Starlette) -> uvicorn.Server:
    """A quiet uvicorn server; the caller awaits ``serve(sockets=[...])`` in its own loop."""
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Generator[None]:
            yield  # the process and its signals belong to Ray

    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    return Server(config)
