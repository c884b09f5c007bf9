"""How requests travel to workers, for clients and for the gateway.

A busy worker is passed over while another one may be free; see :mod:`byzer_lab.routing`.
A worker that can't be reached, or that is going down, is passed over for another one. Where the
connection broke after the request was sent, one other worker is tried and no more: the request may
be what ends them. Once part of the answer has come the caller gets the error, never half an answer
twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

import httpx
import msgspec

from byzer_lab.errors import (
    ByzerLabError,
    NotReadyError,
    QueueFullError,
    WorkerBusyError,
    WorkerLostError,
    from_wire,
)
from byzer_lab.generation import filled
from byzer_lab.records import Route
from byzer_lab.routing import Attempts, Choice, Router
from byzer_lab.types import Chunk, GenerateRequest
from byzer_lab.web import NO_WAIT
from byzer_lab.worker_client import CONNECT_TIMEOUT_S, WorkerClient

T = TypeVar("T")
NOT_BEGUN = (httpx.ConnectError, httpx.ConnectTimeout, NotReadyError)
"""What tells that a worker has not begun with a request."""
PASSED_OVER = (httpx.TransportError, NotReadyError, QueueFullError)
"""After these another worker is asked."""

_decoder = msgspec.json.Decoder(Chunk)


def http_options(token: str, *, tls: bool = False) -> dict[str, Any]:
    """Arguments of an httpx client that talks to a gateway and its workers.

    Proxies of the environment are not used: the cluster is on this machine or network.

    Args:
        token: The cluster's.
        tls: The gateway speaks TLS.
    """
    return {
        "headers": {"Authorization": f"Bearer {token}"},
        "timeout": httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=128),
        "trust_env": False,
        "verify": tls,  # without TLS its 20 ms of set-up are wasted
    }


def raise_for_error(status: int, body: bytes) -> None:
    """Raise the error that a server of ours answered with; only 2xx is none."""
    if 200 <= status < 300:
        return
    try:
        raise from_wire(msgspec.json.decode(body)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        raise ByzerLabError(f"The server answered with status {status}.") from None


class Answer:
    """Puts the bytes of one answer together and checks that it is whole.

    Args:
        deployment: Name of the deployment, for messages.
        worker: Id of the worker, for messages.
    """

    def __init__(self, deployment: str, worker: str) -> None:
        self.worker = worker
        self._deployment = deployment
        self._rest = b""
        self.started = False
        self._ended = False

    def feed(self, block: bytes) -> Iterator[Chunk]:
        """Yield the chunks that are complete with this block.

        Raises:
            ByzerLabError: The error that broke the answer off.
        """
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            chunk = _decoder.decode(line)
            self.started = True
            if chunk.error:
                raise from_wire(chunk.error)
            self._ended = self._ended or chunk.finish_reason is not None
            yield chunk

    def check_whole(self) -> None:
        """Raise :class:`WorkerLostError` when the last chunk is missing."""
        if not self._ended:
            raise self.lost()

    def lost(self) -> WorkerLostError:
        """The connection broke."""
        return WorkerLostError(
            f"Worker {self.worker} of {self._deployment!r} was lost while it was answering; it is "
            "being replaced, so ask again in a moment.",
            worker=self.worker,
        )


class WorkerAttempts(Attempts):
    """The workers that did not answer one request."""

    _broke = False

    def add(self, answer: Answer, error: Exception) -> None:
        """Go on with another worker, or raise :class:`WorkerLostError`."""
        if isinstance(error, WorkerBusyError):
            self.busy[answer.worker] = int(error.details["requests"])
            return
        if isinstance(error, QueueFullError):
            self.full[answer.worker] = error
            return
        begun = not isinstance(error, NOT_BEGUN)
        if answer.started or (begun and self._broke):
            raise answer.lost() from error
        self._broke = self._broke or begun
        self.failed.add(answer.worker)


def worker_call(choice: Choice, call: str, body: bytes) -> dict[str, Any]:
    """Arguments of the HTTP client for a call of a worker."""
    headers = {} if choice.may_wait else {NO_WAIT: "1"}
    return {"url": f"{choice.endpoint.url}/{call}", "content": body, "headers": headers}


def generate_call(choice: Choice, request: GenerateRequest) -> dict[str, Any]:
    """:func:`worker_call` that asks for text."""
    sampling = filled(request.sampling, choice.generation)
    whole = msgspec.structs.replace(request, sampling=sampling)
    return worker_call(choice, "generate", msgspec.json.encode(whole))


async def stream_chunks(
    client: httpx.AsyncClient | WorkerClient,
    router: Router,
    pick: Callable[[Attempts], Awaitable[Choice]],
    deployment: str,
    request: GenerateRequest,
    pin: int | None = None,
) -> AsyncGenerator[Chunk]:
    """Ask a deployment and yield its answer as it comes. Closing it cancels on the worker.

    Args:
        client: Speaks with the workers.
        router: Counts what runs.
        pick: Chooses a worker.
        deployment: Name of the deployment.
        request: What to ask; generation parameters that it leaves open are the deployment's.
        pin: Number of the only worker that may answer.
    """
    attempts = WorkerAttempts(pin, request)
    while True:
        choice = await pick(attempts)
        answer = Answer(deployment, choice.endpoint.worker)
        try:
            call = generate_call(choice, request)
            with router.running(choice.endpoint):
                async with client.stream("POST", **call) as reply:
                    if not reply.is_success:
                        raise_for_error(reply.status_code, await reply.aread())
                    async for block in reply.aiter_raw():
                        for chunk in answer.feed(block):
                            yield chunk
            answer.check_whole()
            return
        except PASSED_OVER as error:
            attempts.add(answer, error)


class AsyncDataPlane:
    """Sends requests to workers, all in one asyncio loop, over connections that stay open.

    Args:
        token: The token that the workers ask for.
        fetch: Asks for a deployment's route.
    """

    def __init__(self, token: str, fetch: Callable[[str], Awaitable[Route]]) -> None:
        self._client = WorkerClient(token)
        self._fetch = fetch
        self._router = Router(self._no_fetch)
        self._fetching: dict[str, asyncio.Task[Route]] = {}

    def stream(self, deployment: str, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        """See :func:`stream_chunks`; errors as of :meth:`byzer_lab.client.data_plane.DataPlane`."""

        async def pick(attempts: Attempts) -> Choice:
            return await self._pick(deployment, attempts)

        return stream_chunks(self._client, self._router, pick, deployment, request)

    async def whole(self, deployment: str, call: str, request: Any, kind: type[T]) -> T:
        """Ask for an answer that comes in one piece. Cancelling it cancels on the worker.

        Args:
            deployment: Name of the deployment.
            call: Path of the worker's call, such as ``embed``.
            request: What to ask.
            kind: What it answers with.
        """
        body = msgspec.json.encode(request)
        attempts = WorkerAttempts()
        while True:
            choice = await self._pick(deployment, attempts)
            answer = Answer(deployment, choice.endpoint.worker)
            try:
                with self._router.running(choice.endpoint):
                    asked = worker_call(choice, call, body)
                    async with self._client.stream("POST", **asked) as reply:
                        found = await reply.aread()
                raise_for_error(reply.status_code, found)
                return msgspec.json.decode(found, type=kind)
            except PASSED_OVER as error:
                attempts.add(answer, error)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _pick(self, deployment: str, attempts: Attempts) -> Choice:
        route = self._router.known(deployment, fresh=bool(attempts.failed))
        if route is None:
            route = await self._fresh(deployment)
        return self._router.choose(route, attempts)

    async def _fresh(self, deployment: str) -> Route:
        """Ask for the route, once for everybody who wants it now."""
        task = self._fetching.get(deployment)
        if task is None:
            task = asyncio.ensure_future(self._learn(deployment))
            self._fetching[deployment] = task
            task.add_done_callback(lambda _: self._fetching.pop(deployment, None))
        return await asyncio.shield(task)

    async def _learn(self, deployment: str) -> Route:
        route = await self._fetch(deployment)
        self._router.learn(route)
        return route

    @staticmethod
    def _no_fetch(deployment: str) -> Route:
        raise AssertionError(f"the route of {deployment} is asked for in _fresh")
