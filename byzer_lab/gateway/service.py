"""What every endpoint for models stands on: the cluster, the workers, one request under way."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from byzer_lab.bounds import NAME_PATTERN
from byzer_lab.errors import InvalidRequestError, ModelNotFoundError
from byzer_lab.gateway.metrics import Metrics
from byzer_lab.records import DeploymentRecord, KeyRecord, Route
from byzer_lab.types import Usage
from byzer_lab.worker_calls import AsyncDataPlane


class Backplane(Protocol):
    """What a server for models must know of the cluster."""

    async def route(self, name: str) -> Route:
        """Where a deployment's ready workers listen.

        Raises:
            ModelNotFoundError: There is none of that name.
        """

    async def deployments(self) -> list[DeploymentRecord]:
        """Every deployment."""

    async def keys(self) -> list[KeyRecord]:
        """The keys that open ``/v1``; at most some seconds old."""


@dataclass
class Exchange:
    """One request under way.

    Attributes:
        key: The key that it came with; ``None`` for the cluster's token, or where none is asked.
        id: Unique, 32 hexadecimal digits.
        created: Seconds since the epoch.
        deployment: Which deployment answers, once that is known.
        usage: Tokens of the answers so far.
        spend: Told the tokens of each answer, for the key's limit.
        headers: What the response tells of the key's limits.
    """

    key: KeyRecord | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))
    deployment: str = ""
    usage: Usage = field(default_factory=Usage)
    spend: Callable[[int], None] = lambda tokens: None
    headers: dict[str, str] = field(default_factory=dict)

    def add(self, usage: Usage | None) -> None:
        """Count one answer's tokens."""
        if usage is None:
            return
        self.usage.input_tokens += usage.input_tokens
        self.usage.output_tokens += usage.output_tokens
        self.usage.cached_tokens += usage.cached_tokens
        self.usage.reasoning_tokens += usage.reasoning_tokens
        self.spend(usage.input_tokens + usage.output_tokens)


@dataclass
class Service:
    """What the endpoints share.

    Attributes:
        backplane: The cluster.
        plane: Requests to workers.
        metrics: Counts for ``/metrics``.
        served_model: Deployment that answers whatever model a request names; empty: the named one.
        response_role: Role that answers carry.
        stop: Called when the server ends.
    """

    backplane: Backplane
    plane: AsyncDataPlane
    metrics: Metrics = field(default_factory=Metrics)
    served_model: str = ""
    response_role: str = "assistant"
    stop: Callable[[], Awaitable[None]] | None = None

    def find(self, model: str, exchange: Exchange) -> tuple[str, str | None]:
        """The deployment and the adapter that ``NAME`` or ``NAME:ADAPTER`` means.

        Raises:
            InvalidRequestError: No model is named.
            ModelNotFoundError: No deployment can have that name.
        """
        if not model and not self.served_model:
            raise InvalidRequestError("model is empty; name a deployment.", param="model")
        name, _, adapter = (self.served_model or model).partition(":")
        if not NAME_PATTERN.fullmatch(name):
            raise ModelNotFoundError(f"The model {model!r} does not exist.", param="model")
        exchange.deployment = name
        return name, adapter or None
