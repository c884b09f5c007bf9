"""The cluster as a server for models sees it: from beside the registry, or over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from byzer_lab.errors import ClusterError
from byzer_lab.gateway.keys import KeyStore
from byzer_lab.gateway.registry_calls import read
from byzer_lab.records import DeploymentRecord, KeyRecord, Route, StateSnapshot
from byzer_lab.worker_calls import http_options, raise_for_error

if TYPE_CHECKING:
    from ray.actor import ActorHandle

T = TypeVar("T")
KEYS_AGE_S = 2.0
"""So long after it was revoked a key may still be accepted by a server of its own."""


class NearBackplane:
    """In the gateway's own process.

    Args:
        registry: Handle of the registry.
        store: The keys.
    """

    def __init__(self, registry: ActorHandle, store: KeyStore) -> None:
        self._registry = registry
        self._store = store

    async def route(self, name: str) -> Route:
        return await self._ask(Route, "route", name)

    async def deployments(self) -> list[DeploymentRecord]:
        return (await self._ask(StateSnapshot, "state", None, "", 0.0)).deployments

    async def keys(self) -> list[KeyRecord]:
        return self._store.all()

    async def _ask(self, kind: type[T], method: str, *args: Any) -> T:
        answer = await read(self._registry, method, *args)
        raise_for_error(answer.status, answer.body)
        return msgspec.json.decode(answer.body, type=kind)


class FarBackplane:
    """Through the gateway of the cluster.

    Args:
        url: Where the gateway listens.
        token: Its token.
    """

    def __init__(self, url: str, token: str) -> None:
        options = http_options(token, tls=url.startswith("https:"))
        self._url = url
        self._client = httpx.AsyncClient(base_url=url, **options)
        self._keys: tuple[float, list[KeyRecord]] = (-KEYS_AGE_S, [])

    async def route(self, name: str) -> Route:
        return await self._get(f"/api/deployments/{quote(name, safe='')}/route", Route)

    async def deployments(self) -> list[DeploymentRecord]:
        return (await self._get("/api/state", StateSnapshot)).deployments

    async def keys(self) -> list[KeyRecord]:
        asked_at, keys = self._keys
        if time.monotonic() - asked_at > KEYS_AGE_S:
            keys = await self._get("/api/keys", list[KeyRecord])
            self._keys = (time.monotonic(), keys)
        return keys

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def _get(self, path: str, kind: type[T]) -> T:
        try:
            reply = await self._client.get(path)
        except httpx.HTTPError as error:
            raise ClusterError(
                f"Byzer Lab at {self._url} can't be reached ({type(error).__name__})."
            ) from error
        raise_for_error(reply.status_code, reply.content)
        return msgspec.json.decode(reply.content, type=kind)
