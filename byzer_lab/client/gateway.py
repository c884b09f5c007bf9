"""The control API as Python calls; see docs/http-api.md."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from byzer_lab.client.http import options, path_of, unreachable
from byzer_lab.client.training.gateway import WAIT_S, JobGateway, LogPage
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.config import absolute_path
from byzer_lab.errors import ClusterError, ModelNotFoundError
from byzer_lab.records import (
    BackendRecord,
    CreatedKey,
    DeploymentSpec,
    KeyRecord,
    LogLine,
    NewKey,
    OperationRecord,
    Route,
    StateSnapshot,
)
from byzer_lab.secrets import conceal
from byzer_lab.types import Sampling
from byzer_lab.worker_calls import raise_for_error

T = TypeVar("T")


class GatewayClient(JobGateway):
    """Talks to the gateway. Usable from several threads.

    Every call raises :class:`~byzer_lab.errors.ByzerLabError` for what the gateway refuses and
    :class:`~byzer_lab.errors.ClusterError` when it can't be reached.

    Args:
        runtime: Where it listens, and its token.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._url = runtime.url
        self._client = httpx.Client(base_url=runtime.url, **options(runtime))

    def state(self, *, since: int | None = None, epoch: str = "") -> StateSnapshot:
        """Everything that runs, or what changed since a revision of an epoch."""
        params = {} if since is None else {"since": since, "epoch": epoch}
        return self._call("GET", "/api/state", StateSnapshot, params=params)

    def backends(self) -> list[BackendRecord]:
        """The backends that the cluster knows, and which of them it can run."""
        return self._call("GET", "/api/backends", list[BackendRecord])

    def deploy(
        self, spec: DeploymentSpec, *, secrets: dict[str, str], replace: bool = False
    ) -> OperationRecord:
        """Begin a deployment.

        Args:
            spec: What to deploy; a relative path of a model is this process's. A secret that is
                written down in it is sent among the secrets.
            secrets: Values of its ``${NAME}`` references.
            replace: Take down a deployment of that name that was made differently.
        """
        infer_params, written = conceal(spec.infer_params)
        spec = msgspec.structs.replace(spec, infer_params=infer_params)
        spec = msgspec.structs.replace(spec, model_path=absolute_path(spec.model_path))
        body = {"spec": spec, "secrets": {**secrets, **written}, "replace": replace}
        return self._call("POST", "/api/deployments", OperationRecord, json=body)

    def undeploy(self, name: str, *, force: bool = False) -> OperationRecord:
        """Begin to take a deployment down; ``force`` breaks running requests off."""
        params = {"force": "true" if force else "false"}
        return self._call("DELETE", _path(name), OperationRecord, params=params)

    def scale(self, name: str, workers: int) -> OperationRecord:
        """Begin to change the number of workers."""
        body = {"workers": workers}
        return self._call("POST", _path(name, "/scale"), OperationRecord, json=body)

    def set_generation(self, name: str, generation: Sampling) -> None:
        """Change the generation parameters of requests that leave them open."""
        body = msgspec.to_builtins(generation)
        self._call("POST", _path(name, "/generation"), Sampling, json=body)

    def watch(self, operation: OperationRecord) -> Iterator[OperationRecord]:
        """Yield an operation and each change of it until it ended; the last one is its end."""
        yield operation
        while operation.finished_at is None:
            params = {"since": operation.rev, "wait": WAIT_S}
            path = f"/api/operations/{operation.id}"
            operation = self._call("GET", path, OperationRecord, params=params)
            yield operation

    def cancel(self, operation_id: str) -> OperationRecord:
        """Give a deploy up; nothing of it stays."""
        return self._call("POST", f"/api/operations/{operation_id}/cancel", OperationRecord)

    def route(self, name: str) -> Route:
        """Where a deployment's ready workers listen."""
        return self._call("GET", _path(name, "/route"), Route)

    def log(
        self, name: str, *, after: int = 0, limit: int = 1000, wait: float = 0.0
    ) -> list[LogLine]:
        """Lines of a deployment's log.

        Args:
            name: Name of the deployment.
            after: Number of the last line already seen; ``-n`` means the last n lines.
            limit: Most lines.
            wait: Seconds to wait for the first line.
        """
        params = {"after": after, "limit": limit, "wait": wait}
        return self._call("GET", _path(name, "/logs"), LogPage, params=params).lines

    def keys(self) -> list[KeyRecord]:
        """The keys for models."""
        return self._call("GET", "/api/keys", list[KeyRecord])

    def create_key(self, asked: NewKey) -> CreatedKey:
        """Make one; the key itself is told here and never again."""
        return self._call("POST", "/api/keys", CreatedKey, json=asked)

    def revoke_key(self, name: str) -> KeyRecord:
        """Forget one.

        Raises:
            NotFoundError: There is none of that name.
        """
        return self._call("DELETE", f"/api/keys/{quote(name, safe='')}", KeyRecord)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def _call(self, method: str, path: str, kind: type[T], json: Any = None, **rest: Any) -> T:
        content = None if json is None else msgspec.json.encode(json)
        try:
            reply = self._client.request(method, path, content=content, **rest)
        except httpx.HTTPError as error:
            raise unreachable(self._url, error) from error
        raise_for_error(reply.status_code, reply.content)
        try:
            return msgspec.json.decode(reply.content, type=kind)
        except msgspec.DecodeError as error:
            raise ClusterError(
                f"The answer of Byzer Lab at {self._url} can't be understood ({error}); does it "
                "run another version than this client?"
            ) from error


_path = functools.partial(path_of, "deployment", missing=ModelNotFoundError)
