"""The connection to a provider: proxies, timeouts, retries, cancelling. Imported by ``load``.

A request is tried again where the provider has not begun with it: no connection came about, or it
answered 408, 409, 429, 500, 502, 503 or 529 in place of an answer. Where the request went out
whole and nothing came back (a broken connection, 504, a timeout) the answer may have been
computed and charged, so the caller gets the error. Nothing is tried again once an answer has begun.
Cancelling the task, or leaving :meth:`Http.stream`, closes the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx
import msgspec

from byzer_lab.errors import (
    InvalidRequestError,
    ProviderError,
    ProviderQuotaError,
    ProviderUnavailableError,
)
from byzer_lab.providers.failures import http_failure, request_id
from byzer_lab.providers.settings import Settings
from byzer_lab.types import ProviderFacts

RETRIED = {408, 409, 429, 500, 502, 503, 529}
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.PoolTimeout)
NOT_SENT_WHOLE = (httpx.WriteError, httpx.WriteTimeout)
FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 8.0
LONGEST_WAIT_S = 60.0
"""A provider that wants a longer wait gets no second try: the caller shall know."""
LONGEST_REFUSAL = 1 << 20
LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Call:
    """A request.

    Attributes:
        url: Where to.
        json: Its body, as JSON.
        content: Its body, as bytes, instead.
        headers: With the key.
        params: Of the query.
        method: Of HTTP.
    """

    url: str
    json: Any = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] | None = None
    method: str = "POST"

    def request(self, client: httpx.AsyncClient) -> httpx.Request:
        """For the HTTP library.

        Raises:
            InvalidRequestError: Its address or a header can't be sent.
        """
        headers = dict(self.headers)
        content = self.content
        if self.json is not None:
            content = msgspec.json.encode(self.json)
            headers.setdefault("Content-Type", "application/json")
        try:
            return client.build_request(
                self.method, self.url, content=content, headers=headers, params=self.params
            )
        except (httpx.InvalidURL, UnicodeEncodeError):
            raise InvalidRequestError(
                "The provider can't be asked: the address or the key holds characters that no "
                "request can carry."
            ) from None


class Answer:
    """A response of a provider that has begun.

    Attributes:
        headers: Of the response.
        facts: What is known of it so far.
    """

    def __init__(self, provider: str, response: httpx.Response, facts: ProviderFacts) -> None:
        self._provider = provider
        self._response = response
        self.headers = response.headers
        self.facts = facts

    @property
    def media_type(self) -> str:
        """Its content type without parameters."""
        kind: str = self.headers.get("content-type", "")
        return kind.partition(";")[0].strip().lower()

    async def blocks(self) -> AsyncIterator[bytes]:
        """Its body as it comes.

        Raises:
            ProviderUnavailableError: The connection broke, or nothing came for too long.
        """
        received = 0
        try:
            async for block in self._response.aiter_bytes():
                received += len(block)
                yield block
        except httpx.HTTPError as error:
            raise ProviderUnavailableError(
                f"{self._provider} broke its answer off after {received} bytes: {_words(error)}.",
                provider=self._provider,
                request_id=self.facts.request_id,
            ) from error

    async def read(self) -> bytes:
        """Its whole body."""
        return b"".join([block async for block in self.blocks()])

    async def json(self) -> dict[str, Any]:
        """Its whole body, which is a JSON object.

        Raises:
            ProviderError: It is something else.
        """
        return self.decode(await self.read())

    def decode(self, text: bytes | str) -> dict[str, Any]:
        """A JSON object of the answer.

        Raises:
            ProviderError: It is something else.
        """
        try:
            return msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ProviderError(
                f"{self._provider} sent something that is not a JSON object: {error}.",
                provider=self._provider,
                request_id=self.facts.request_id,
            ) from error


class Http:
    """Asks one provider. Used from one asyncio loop; may be made outside of it.

    Args:
        provider: Its ``saas/NAME``, for messages.
        settings: Timeouts, retries, proxy, local address.
        base_url: Where it listens.
        codes: What its codes mean; see :class:`byzer_lab.providers.presets.Preset`.
        connections: Kept open for the next request.
        hint: Said where the provider doesn't know an address.
    """

    def __init__(
        self,
        provider: str,
        settings: Settings,
        base_url: str,
        codes: Mapping[str, str] | None = None,
        connections: int = 20,
        hint: str = "",
    ) -> None:
        self._hint = hint
        self._provider = provider
        self._codes = codes or {}
        self._retries = settings.max_retries
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=connections)
        loopback = urlsplit(base_url).hostname in LOOPBACK
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(settings.timeout, connect=settings.connect_timeout),
            limits=limits,
            transport=_transport(settings, limits),
            trust_env=not loopback,  # proxies of the environment are for other machines
            headers={"User-Agent": "byzer-lab"},
        )

    async def json(self, call: Call) -> tuple[dict[str, Any], ProviderFacts]:
        """A whole answer that is a JSON object; errors as of :meth:`stream`."""
        async with self.stream(call) as answer:
            return await answer.json(), answer.facts

    @contextlib.asynccontextmanager
    async def stream(self, call: Call) -> AsyncIterator[Answer]:
        """Ask, and give the answer as soon as its head has come.

        Raises:
            ProviderError: A subclass for what the provider refuses, or that it can't be reached.
        """
        response, facts = await self._ask(call)
        try:
            yield Answer(self._provider, response, facts)
        finally:
            await response.aclose()

    async def _ask(self, call: Call) -> tuple[httpx.Response, ProviderFacts]:
        attempt = 0
        while True:
            attempt += 1
            started = time.perf_counter()
            try:
                response = await self._client.send(call.request(self._client), stream=True)
            except httpx.HTTPError as error:
                known: ProviderError = self._unreachable(error)
                again = isinstance(error, NOT_SENT + NOT_SENT_WHOLE)
            else:
                if response.is_success:
                    first_byte_ms = (time.perf_counter() - started) * 1000
                    return response, _facts(response.headers, attempt, first_byte_ms)
                known = await self._refusal(response)
                again = _may_retry(response) and not isinstance(known, ProviderQuotaError)
            wait = known.details.get("retry_after_s")
            if not again or attempt > self._retries or (wait or 0.0) > LONGEST_WAIT_S:
                raise known
            await pause(backoff_s(attempt) if wait is None else wait)

    async def _refusal(self, response: httpx.Response) -> ProviderError:
        body = b""
        with contextlib.suppress(httpx.HTTPError):  # the status says enough
            async for block in response.aiter_bytes():
                body += block
                if len(body) > LONGEST_REFUSAL:
                    break
        await response.aclose()
        return http_failure(
            self._provider,
            response.status_code,
            response.headers,
            body,
            self._codes,
            self._hint,
        )

    def _unreachable(self, error: httpx.HTTPError) -> ProviderUnavailableError:
        what = "can't be reached" if isinstance(error, NOT_SENT) else "did not answer"
        return ProviderUnavailableError(
            f"{self._provider} {what} at {_place(error)}: {_words(error)}.", provider=self._provider
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()


async def pause(seconds: float) -> None:
    """Wait between two tries."""
    await asyncio.sleep(seconds)


def backoff_s(attempt: int) -> float:
    """Seconds to wait after a try, from the first one: doubled each time, half of it by chance."""
    longest: float = min(FIRST_BACKOFF_S * 2.0 ** (attempt - 1), LONGEST_BACKOFF_S)
    return longest * random.uniform(0.5, 1.0)


def _may_retry(response: httpx.Response) -> bool:
    """Whether a refusal is worth another try; the provider's own word counts first."""
    wish = response.headers.get("x-should-retry")
    if wish in ("true", "false"):
        return bool(wish == "true")
    return response.status_code in RETRIED


def _facts(headers: httpx.Headers, attempts: int, first_byte_ms: float) -> ProviderFacts:
    latency = next(
        (
            headers[name]
            for name in ("openai-processing-ms", "x-envoy-upstream-service-time", "req-cost-time")
            if name in headers
        ),
        "",
    )
    return ProviderFacts(
        request_id=request_id(headers),
        latency_ms=float(latency) if latency.replace(".", "", 1).isdigit() else 0.0,
        first_byte_ms=first_byte_ms,
        attempts=attempts,
    )


def _place(error: httpx.HTTPError) -> str:
    """The address without its query, where keys may stand."""
    return str(error.request.url.copy_with(query=None))


def _words(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.LocalProtocolError):
        return type(error).__name__  # its text may hold a header
    return str(error).rstrip(".") or type(error).__name__


def _transport(settings: Settings, limits: httpx.Limits) -> httpx.AsyncBaseTransport | None:
    """What connects where a proxy or an address of this machine is set.

    Raises:
        InvalidRequestError: The proxy's address is none.
    """
    proxy, local_address = settings.proxies, settings.local_address
    if proxy is None and local_address is None:
        return None
    try:
        transport = httpx.AsyncHTTPTransport(
            proxy=proxy, local_address=local_address, limits=limits, trust_env=False
        )
    except (ValueError, httpx.InvalidURL, ImportError) as error:
        raise InvalidRequestError(
            f"saas.proxies can't be used: {error}", parameter="proxies"
        ) from None
    if proxy is not None and local_address is not None:
        # The library knows the two together only at this place.
        pool: Any = transport._pool
        pool._network_backend = _From(local_address, pool._network_backend)
    return transport


class _From(httpcore.AsyncNetworkBackend):
    """Connects from an address of this machine, also to a proxy."""

    def __init__(self, local_address: str, backend: httpcore.AsyncNetworkBackend) -> None:
        self._local_address = local_address
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        return await self._backend.connect_tcp(
            host, port, timeout, self._local_address, socket_options
        )
