"""Requests to the workers themselves, streamed.

A busy worker is passed over while another one may be free; see :mod:`byzer_lab.routing`.
A worker that can't be reached, or that is going down, is passed over for another one. Where the
connection broke after the request was sent, one other worker is tried and no more: the request may
be what ends them. Once part of the answer has come the caller gets the error, never half an answer
twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any, TypeVar

import httpx
import msgspec

from byzer_lab.client.http import options, raise_for_error
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import (
    NotReadyError,
    QueueFullError,
    WorkerBusyError,
    WorkerLostError,
    from_wire,
)
from byzer_lab.generation import filled
from byzer_lab.routing import Attempts, Choice, Router
from byzer_lab.types import (
    Chunk,
    EmbedAnswer,
    EmbedRequest,
    GenerateRequest,
    RerankAnswer,
    RerankRequest,
    TemplateAnswer,
    TemplateRequest,
    TokenizeAnswer,
    TokenizeRequest,
)
from byzer_lab.web import NO_WAIT

T = TypeVar("T")
NOT_BEGUN = (httpx.ConnectError, httpx.ConnectTimeout, NotReadyError)
"""What tells that a worker has not begun with a request."""

_decoder = msgspec.json.Decoder(Chunk)


class _Answer:
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


class _Attempts(Attempts):
    """The workers that did not answer one request."""

    _broke = False

    def add(self, answer: _Answer, error: Exception) -> None:
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


PASSED_OVER = (httpx.TransportError, NotReadyError, QueueFullError)
"""After these another worker is asked."""


class DataPlane:
    """Sends requests to workers. Usable from several threads, and from asyncio.

    Args:
        runtime: Whose token the workers ask for.
        router: Chooses the worker.
    """

    def __init__(self, runtime: Runtime, router: Router) -> None:
        self._options = options(runtime)
        self._router = router
        self._client = httpx.Client(**self._options)

    def stream(
        self, deployment: str, request: GenerateRequest, pin: int | None = None
    ) -> Generator[Chunk]:
        """Ask a deployment and yield its answer as it comes.

        Closing the generator, or an exception in the loop over it, cancels on the worker.

        Args:
            deployment: Name of the deployment.
            request: What to ask; generation parameters that it leaves open are the deployment's.
            pin: Number of the only worker that may answer.

        Yields:
            Chunks; the last one has ``finish_reason`` and ``usage``.

        Raises:
            ModelNotFoundError: There is no such deployment.
            NotReadyError: No worker of it can answer now.
            QueueFullError: The worker's queue is full.
            InvalidRequestError: The model can't serve the request.
            WorkerLostError: The worker died while it was answering.
            EngineError: The engine failed.
        """
        attempts = _Attempts(pin)
        while True:
            choice = self._router.pick(deployment, attempts)
            answer = _Answer(deployment, choice.endpoint.worker)
            try:
                call = _generate(choice, request)
                with (
                    self._router.running(choice.endpoint),
                    self._client.stream("POST", **call) as reply,
                ):
                    if not reply.is_success:
                        raise_for_error(reply.status_code, reply.read())
                    for block in reply.iter_raw():
                        yield from answer.feed(block)
                answer.check_whole()
                return
            except PASSED_OVER as error:
                attempts.add(answer, error)

    async def astream(
        self, deployment: str, request: GenerateRequest, pin: int | None = None
    ) -> AsyncGenerator[Chunk]:
        """:meth:`stream` for asyncio; same arguments, chunks and errors."""
        attempts = _Attempts(pin)
        async with httpx.AsyncClient(**self._options) as client:
            while True:
                choice = await asyncio.to_thread(self._router.pick, deployment, attempts)
                answer = _Answer(deployment, choice.endpoint.worker)
                try:
                    call = _generate(choice, request)
                    with self._router.running(choice.endpoint):
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

    def embed(self, deployment: str, request: EmbedRequest, pin: int | None = None) -> EmbedAnswer:
        """Vectors of texts; errors as of :meth:`stream`."""
        return self._whole(deployment, "embed", request, EmbedAnswer, pin)

    def rerank(
        self, deployment: str, request: RerankRequest, pin: int | None = None
    ) -> RerankAnswer:
        """Scores of pairs of texts; errors as of :meth:`stream`."""
        return self._whole(deployment, "rerank", request, RerankAnswer, pin)

    def tokenize(
        self, deployment: str, request: TokenizeRequest, pin: int | None = None
    ) -> TokenizeAnswer:
        """Tokens of a text; errors as of :meth:`stream`."""
        return self._whole(deployment, "tokenize", request, TokenizeAnswer, pin)

    def apply_chat_template(
        self, deployment: str, request: TemplateRequest, pin: int | None = None
    ) -> TemplateAnswer:
        """The prompt of a conversation; errors as of :meth:`stream`."""
        return self._whole(deployment, "apply_chat_template", request, TemplateAnswer, pin)

    def _whole(self, deployment: str, call: str, request: Any, kind: type[T], pin: int | None) -> T:
        """Ask for an answer that comes in one piece.

        Workers are passed over as in :meth:`stream`.
        """
        body = msgspec.json.encode(request)
        attempts = _Attempts(pin)
        while True:
            choice = self._router.pick(deployment, attempts)
            answer = _Answer(deployment, choice.endpoint.worker)
            try:
                with self._router.running(choice.endpoint):
                    reply = self._client.post(**_call(choice, call, body))
                raise_for_error(reply.status_code, reply.content)
                return msgspec.json.decode(reply.content, type=kind)
            except PASSED_OVER as error:
                attempts.add(answer, error)

    def close(self) -> None:
        """Close its connections."""
        with contextlib.suppress(RuntimeError):
            self._client.close()


def _call(choice: Choice, call: str, body: bytes) -> dict[str, Any]:
    """Arguments of the HTTP client."""
    headers = {} if choice.may_wait else {NO_WAIT: "1"}
    return {"url": f"{choice.endpoint.url}/{call}", "content": body, "headers": headers}


def _generate(choice: Choice, request: GenerateRequest) -> dict[str, Any]:
    sampling = filled(request.sampling, choice.generation)
    whole = msgspec.structs.replace(request, sampling=sampling)
    return _call(choice, "generate", msgspec.json.encode(whole))
