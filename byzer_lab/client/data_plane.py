"""Requests to the workers themselves, streamed.

Workers that can't answer are passed over; see :mod:`byzer_lab.worker_calls`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Generator
from typing import Any, TypeVar

import httpx
import msgspec

from byzer_lab.client.http import options
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.routing import Attempts, Choice, Router
from byzer_lab.types import (
    Chunk,
    GenerateRequest,
    TemplateAnswer,
    TemplateRequest,
    TokenizeAnswer,
    TokenizeRequest,
)
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest
from byzer_lab.worker_calls import (
    PASSED_OVER,
    Answer,
    WorkerAttempts,
    generate_call,
    raise_for_error,
    stream_chunks,
    worker_call,
)

T = TypeVar("T")


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
        attempts = WorkerAttempts(pin, request)
        while True:
            choice = self._router.pick(deployment, attempts)
            answer = Answer(deployment, choice.endpoint.worker)
            try:
                call = generate_call(choice, request)
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

        async def pick(attempts: Attempts) -> Choice:
            return await asyncio.to_thread(self._router.pick, deployment, attempts)

        async with httpx.AsyncClient(**self._options) as client:
            chunks = stream_chunks(client, self._router, pick, deployment, request, pin)
            async with contextlib.aclosing(chunks):
                async for chunk in chunks:
                    yield chunk

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
        attempts = WorkerAttempts(pin)
        while True:
            choice = self._router.pick(deployment, attempts)
            answer = Answer(deployment, choice.endpoint.worker)
            try:
                with self._router.running(choice.endpoint):
                    reply = self._client.post(**worker_call(choice, call, body))
                raise_for_error(reply.status_code, reply.content)
                return msgspec.json.decode(reply.content, type=kind)
            except PASSED_OVER as error:
                attempts.add(answer, error)

    def close(self) -> None:
        """Close its connections."""
        with contextlib.suppress(RuntimeError):
            self._client.close()
