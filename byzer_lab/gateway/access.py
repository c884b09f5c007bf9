"""Who may ask: the cluster's token opens everything, keys open what serves models."""

from __future__ import annotations

import functools
import hmac
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from byzer_lab.errors import AuthenticationError, ByzerLabError, PermissionDeniedError
from byzer_lab.gateway.handling import STATE
from byzer_lab.gateway.keys import matching
from byzer_lab.gateway.limits import Limits
from byzer_lab.gateway.service import Exchange
from byzer_lab.records import KeyRecord

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = frozenset({"/health", "/version", "/docs", "/openapi.json"})
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Keys = Callable[[], Awaitable[list[KeyRecord]]]


def for_models(path: str) -> bool:
    """Whether a key opens that path."""
    return path.startswith("/v1/") or path == "/metrics"


class Access:
    """Checks token or key and the key's limits, before anything else is done.

    Args:
        app: What is protected.
        token: The cluster's token.
        keys: The keys.
        write: Makes the response of an error, from the path, the error and the status.
        without_key: On loopback: as long as there are no keys, models are open to this machine.
            Web pages are not let in: neither another origin's nor one under another host's name.
        origins: Origins of web pages that are let in all the same.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        keys: Keys,
        write: Callable[[str, ByzerLabError, int], Response],
        without_key: bool = False,
        origins: Collection[str] = (),
    ) -> None:
        self._app = app
        self._token = token
        self._keys = keys
        self._write = write
        self._without_key = without_key
        self._origins = origins
        self._limits = Limits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        try:
            scope[STATE] = exchange = await self._admit(scope)
        except ByzerLabError as error:
            await self._write(scope["path"], error, error.status)(scope, receive, send)
            return
        await self._app(scope, receive, _with_headers(send, exchange.headers))

    async def _admit(self, scope: Scope) -> Exchange:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        given = headers.get("authorization", "").removeprefix("Bearer ").strip()
        given = given or headers.get("x-api-key", "")
        if hmac.compare_digest(given.encode(), self._token.encode()):
            return Exchange()
        if not for_models(scope["path"]):
            raise AuthenticationError("This request carries no valid cluster token.")
        keys = await self._keys()
        if not keys and self._without_key:
            self._refuse_web_pages(headers)
            return Exchange()
        key = matching(keys, given) if given else None
        if key is None:
            found = "an unknown key" if given else "no key"
            raise AuthenticationError(
                f"This request carries {found}; send 'Authorization: Bearer KEY' with a key that "
                "'byzer-lab keys create' made."
            )
        if scope["method"] != "POST":
            return Exchange(key)
        told = self._limits.admit(key)
        return Exchange(key, headers=told, spend=functools.partial(self._limits.spend, key))

    def _refuse_web_pages(self, headers: dict[str, str]) -> None:
        """A browser reaches loopback for any page that it shows."""
        host = urlsplit(f"//{headers.get('host', '')}").hostname
        origin = headers.get("origin")
        own = origin is not None and urlsplit(origin).netloc == headers.get("host")
        allowed = origin is None or own or origin in self._origins or "*" in self._origins
        if host not in LOOPBACK or not allowed:
            raise PermissionDeniedError(
                "Without a key this server answers programs of this machine only, not the web "
                "page of another origin; make a key with 'byzer-lab keys create', or allow the "
                "origin with --allowed_origins."
            )


def _with_headers(send: Send, headers: dict[str, str]) -> Send:
    if not headers:
        return send
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *raw]
        await send(message)

    return sending
