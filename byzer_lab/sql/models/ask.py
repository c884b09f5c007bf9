"""Who answers: the deployments of the cluster, asked over connections that stay open."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec

from byzer_lab.client.session import Session
from byzer_lab.client.templates import check_role_mapping, render
from byzer_lab.errors import EngineError, ModelNotFoundError, NotReadyError
from byzer_lab.records import DeploymentRecord, Route
from byzer_lab.sql.models.pump import Ask
from byzer_lab.sql.models.questions import Question
from byzer_lab.sql.models.store import Answer
from byzer_lab.types import GenerateRequest
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest
from byzer_lab.worker_calls import AsyncDataPlane


@dataclass(frozen=True)
class Model:
    """A model that functions of a query ask.

    Attributes:
        name: Of its deployment.
        limit: Requests that it answers at a time.
        revision: Changes when another model, or one with other settings, stands under the name.
        meta: What its engine says of it.
    """

    name: str
    limit: int
    revision: str
    meta: dict[str, Any]


class Models(Protocol):
    """Finds models and asks them; the cluster, or a test's own."""

    def names(self) -> list[str]:
        """Names of all models."""

    def find(self, name: str) -> Model:
        """A model.

        Raises:
            ModelNotFoundError: There is none of that name.
            NotReadyError: It can't answer now.
        """

    def asking(self, model: Model) -> AbstractAsyncContextManager[Ask]:
        """What asks it, inside one event loop."""


class ClusterModels:
    """The deployments of a Byzer Lab.

    Args:
        session: Finds the connection; ``None`` where no cluster runs.
    """

    def __init__(self, session: Callable[[], Session | None]) -> None:
        self._session = session

    def names(self) -> list[str]:
        """See :class:`Models`."""
        session = self._session()
        records = session.gateway.state().deployments if session else []
        return [record.spec.name for record in records]

    def find(self, name: str) -> Model:
        """See :class:`Models`."""
        session = self._session()
        records = session.gateway.state().deployments if session else []
        for record in records:
            if record.spec.name == name:
                return _model(record)
        names = ", ".join(record.spec.name for record in records) or "none"
        raise ModelNotFoundError(f"There is no deployment {name!r}; there is: {names}.")

    @asynccontextmanager
    async def asking(self, model: Model) -> AsyncIterator[Ask]:
        """See :class:`Models`."""
        session = self._session()
        if session is None:
            raise ModelNotFoundError(f"There is no deployment {model.name!r}; no Byzer Lab runs.")

        async def fetch(name: str) -> Route:
            return await asyncio.to_thread(session.gateway.route, name)

        plane = AsyncDataPlane(session.runtime.token, fetch)

        async def ask(question: Question) -> Answer:
            return await _answer(plane, model, question)

        try:
            yield ask
        finally:
            await plane.close()


def _model(record: DeploymentRecord) -> Model:
    spec = record.spec
    if record.state in ("failed", "draining"):
        raise NotReadyError(
            f"{spec.name!r} is {record.state}; look at its log (%llm_logs {spec.name})."
        )
    told = {
        "path": spec.model_path,
        "changed": _changed(spec.model_path),
        "type": spec.pretrained_model_type,
        "backend": spec.backend,
        "parameters": spec.infer_params,
        "generation": spec.generation,
        "architectures": record.meta.get("architectures"),
    }
    encoded = msgspec.json.encode(told, order="deterministic")
    return Model(
        spec.name,
        max(1, spec.workers * max(1, spec.worker_concurrency)),
        hashlib.sha256(encoded).hexdigest(),
        record.meta,
    )


def _changed(model_path: str) -> int:
    """When the files of a local model were written last; 0 where they lie elsewhere."""
    path = Path(model_path)
    files = [path, *path.glob("*")] if model_path and path.is_absolute() else []
    return max((file.stat().st_mtime_ns for file in files if file.exists()), default=0)


async def _answer(plane: AsyncDataPlane, model: Model, question: Question) -> Answer:
    if question.kind == "embed":
        return await _vector(plane, model.name, question)
    if question.kind == "rerank":
        return await _score(plane, model.name, question)
    return await _text(plane, model, question)


async def _text(plane: AsyncDataPlane, model: Model, question: Question) -> Answer:
    request = GenerateRequest(
        request_id=secrets.token_hex(8),
        messages=question.messages,
        sampling=question.sampling,
        adapter=question.adapter,
        response_schema=question.schema,
    )
    if question.roles and not model.meta.get("support_chat_template", True):
        user, assistant = question.roles
        mapping = check_role_mapping({"user_role": user, "assistant_role": assistant})
        request.messages, request.prompt = None, render(question.messages, mapping)
    pieces: list[str] = []
    data: list[bytes] = []
    usage = None
    async with aclosing(plane.stream(model.name, request)) as chunks:
        async for chunk in chunks:
            pieces.append(chunk.text)
            if chunk.data and not (data and chunk.media_type.startswith("image/")):
                data.append(chunk.data)  # a sound comes in pieces; of several pictures the first
            usage = chunk.usage or usage
    if question.kind in ("speak", "draw") and not data:
        raise EngineError(f"{model.name!r} is no model that {question.kind}s.")
    return Answer(
        base64.b64encode(b"".join(data)).decode() if data else "".join(pieces),
        input_tokens=usage.input_tokens if usage else 0,
        output_tokens=usage.output_tokens if usage else 0,
    )


async def _vector(plane: AsyncDataPlane, name: str, question: Question) -> Answer:
    body = EmbedRequest(request_id=secrets.token_hex(8), texts=question.texts)
    got = await plane.whole(name, "embed", body, EmbedAnswer)
    if len(got.vectors) != len(question.texts):
        raise EngineError(f"{name!r} gave {len(got.vectors)} vectors for one text.")
    floats = struct.unpack(f"<{len(got.vectors[0]) // 4}f", got.vectors[0])
    return Answer(msgspec.json.encode(floats).decode(), input_tokens=sum(got.tokens))


async def _score(plane: AsyncDataPlane, name: str, question: Question) -> Answer:
    query, passage = question.texts
    body = RerankRequest(request_id=secrets.token_hex(8), pairs=[(query, passage)])
    got = await plane.whole(name, "rerank", body, RerankAnswer)
    return Answer(msgspec.json.encode(got.scores[0]).decode(), input_tokens=sum(got.tokens))
