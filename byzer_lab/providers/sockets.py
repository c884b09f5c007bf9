"""WebSockets to providers: proxies, timeouts, what goes wrong. One connection for each request."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from byzer_lab.errors import InvalidRequestError, ProviderUnavailableError
from byzer_lab.providers.again import Again
from byzer_lab.providers.failures import http_failure
from byzer_lab.providers.settings import PREFIX

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from byzer_lab.providers.base import Provider

CLOSE_S = 1.0


@asynccontextmanager
async def connected(
    provider: Provider, url: str, headers: Mapping[str, str] | None = None
) -> AsyncIterator[ClientConnection]:
    """A connection; leaving it early closes it at once.

    Args:
        provider: Whose it is.
        url: Where to, signed where that is how it is known.
        headers: With the key, where it is there.

    Raises:
        Again: None came about.
        ProviderError: The provider refuses, or the connection broke.
    """
    from websockets.asyncio.client import connect
    from websockets.exceptions import (
        ConnectionClosed,
        InvalidProxy,
        InvalidStatus,
        WebSocketException,
    )

    from byzer_lab.providers.http import LOOPBACK, RETRIED

    settings = provider.settings
    here: dict[str, Any] = {}
    if settings.local_address:
        here["local_addr"] = (settings.local_address, 0)
    local = urlsplit(url).hostname in LOOPBACK
    try:
        socket = await connect(
            url,
            proxy=settings.proxies or (None if local else True),
            open_timeout=settings.connect_timeout,
            close_timeout=CLOSE_S,
            compression=None,
            max_size=None,
            user_agent_header="byzer-lab",
            additional_headers=headers,
            **here,
        )
    except InvalidStatus as error:
        response = error.response
        status = response.status_code
        body = bytes(response.body or b"")
        known = http_failure(provider.type, status, response.headers, body, provider.preset.codes)
        raise (Again(known) if status in RETRIED else known) from None
    except (InvalidProxy, ImportError) as error:
        raise InvalidRequestError(
            f"{PREFIX}proxies can't be used: {error}", parameter="proxies"
        ) from None
    except (OSError, TimeoutError, WebSocketException) as error:
        words = str(error) or "no connection in time"
        place = url.partition("?")[0]  # signatures stand behind it
        raise Again(
            ProviderUnavailableError(
                f"{provider.type} can't be reached at {place}: {words}.", provider=provider.type
            )
        ) from error
    done = False
    try:
        yield socket
        done = True
    except ConnectionClosed as error:
        raise ProviderUnavailableError(
            f"{provider.type} broke its answer off: {error}.", provider=provider.type
        ) from error
    finally:
        if done:
            await socket.close()
        socket.transport.abort()


async def receive(provider: Provider, socket: ClientConnection) -> str | bytes:
    """The next message.

    Raises:
        ProviderUnavailableError: None came in time.
    """
    try:
        async with asyncio.timeout(provider.settings.timeout):
            return await socket.recv()
    except TimeoutError:
        raise ProviderUnavailableError(
            f"{provider.type} sent nothing for {provider.settings.timeout:g} s.",
            provider=provider.type,
        ) from None
