"""Routes of the control API: each one is a call of the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from byzer_lab.errors import InvalidRequestError
from byzer_lab.gateway.keys import KeyStore
from byzer_lab.gateway.registry_calls import change, read
from byzer_lab.records import NewKey
from byzer_lab.web import json_response, read_body

if TYPE_CHECKING:
    from ray.actor import ActorHandle

LONGEST_WAIT_S = 30.0
LARGEST = 2**62
"""Larger numbers mean the same, and SQLite has none."""


class Control:
    """Turns HTTP requests into calls of the registry.

    Args:
        registry: Handle of the registry.
        keys: The keys for models.
    """

    def __init__(self, registry: ActorHandle, keys: KeyStore) -> None:
        self._registry = registry
        self._store = keys

    async def state(self, request: Request) -> Response:
        """See docs/http-api.md, as for every method below."""
        since = request.query_params.get("since")
        epoch = request.query_params.get("epoch", "")
        revision = None if since is None else _number(request, "since", 0)
        return await self._read("state", revision, epoch, _wait(request))

    async def deploy(self, request: Request) -> Response:
        return await self._change("deploy", await request.body())

    async def undeploy(self, request: Request) -> Response:
        name = request.path_params["name"]
        return await self._change("undeploy", name, _given(request, "force"))

    async def scale(self, request: Request) -> Response:
        return await self._change("scale", request.path_params["name"], await request.body())

    async def generation(self, request: Request) -> Response:
        name = request.path_params["name"]
        return await self._change("set_generation", name, await request.body())

    async def route(self, request: Request) -> Response:
        return await self._read("route", request.path_params["name"])

    async def log(self, request: Request) -> Response:
        after, limit = _number(request, "after", 0), _number(request, "limit", 1000)
        return await self._read("log", request.path_params["name"], after, limit, _wait(request))

    async def operation(self, request: Request) -> Response:
        since = _number(request, "since", -1)
        return await self._read("operation", request.path_params["id"], since, _wait(request))

    async def cancel(self, request: Request) -> Response:
        return await self._change("cancel", request.path_params["id"])

    async def submit_job(self, request: Request) -> Response:
        return await self._change("submit_job", await request.body())

    async def jobs(self, _: Request) -> Response:
        return await self._read("jobs")

    async def job(self, request: Request) -> Response:
        since = _number(request, "since", -1)
        return await self._read("job", request.path_params["name"], since, _wait(request))

    async def job_points(self, request: Request) -> Response:
        after, limit = _number(request, "after", -1), _number(request, "limit", 100_000)
        return await self._read("job_points", request.path_params["name"], after, limit)

    async def job_log(self, request: Request) -> Response:
        name = request.path_params["name"]
        after, limit = _number(request, "after", 0), _number(request, "limit", 1000)
        return await self._read("job_log", name, after, limit, _wait(request))

    async def stop_job(self, request: Request) -> Response:
        return await self._change("stop_job", request.path_params["name"])

    async def cancel_job(self, request: Request) -> Response:
        return await self._change("cancel_job", request.path_params["name"])

    async def resume_job(self, request: Request) -> Response:
        return await self._change("resume_job", request.path_params["name"])

    async def delete_job(self, request: Request) -> Response:
        files, force = _given(request, "files"), _given(request, "force")
        return await self._change("delete_job", request.path_params["name"], files, force)

    async def backends(self, _: Request) -> Response:
        return await self._read("backends")

    async def keys(self, _: Request) -> Response:
        return json_response(self._store.all())

    async def create_key(self, request: Request) -> Response:
        return json_response(self._store.create(await read_body(request, NewKey)))

    async def revoke_key(self, request: Request) -> Response:
        return json_response(self._store.revoke(request.path_params["name"]))

    async def _change(self, method: str, *args: Any) -> Response:
        answer = await change(self._registry, method, *args)
        return json_response(answer.body, answer.status)

    async def _read(self, method: str, *args: Any) -> Response:
        answer = await read(self._registry, method, *args)
        return json_response(answer.body, answer.status)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    try:
        return default if text is None else max(-LARGEST, min(int(text), LARGEST))
    except ValueError:
        raise InvalidRequestError(f"{name} must be a whole number, not {text!r}.") from None


def _wait(request: Request) -> float:
    text = request.query_params.get("wait", "0")
    try:
        return min(max(float(text), 0.0), LONGEST_WAIT_S)
    except ValueError:
        raise InvalidRequestError(f"wait must be a number of seconds, not {text!r}.") from None


def _given(request: Request, name: str) -> bool:
    return request.query_params.get(name, "false") == "true"


def control_routes(registry: ActorHandle, keys: KeyStore) -> list[Route]:
    """The control API.

    Args:
        registry: Handle of the registry.
        keys: The keys for models.
    """
    control = Control(registry, keys)
    deployment, job = "/api/deployments/{name}", "/api/jobs/{name}"
    return [
        Route("/api/state", control.state),
        Route("/api/backends", control.backends),
        Route("/api/deployments", control.deploy, methods=["POST"]),
        Route(deployment, control.undeploy, methods=["DELETE"]),
        Route(f"{deployment}/scale", control.scale, methods=["POST"]),
        Route(f"{deployment}/generation", control.generation, methods=["POST"]),
        Route(f"{deployment}/route", control.route),
        Route(f"{deployment}/logs", control.log),
        Route("/api/jobs", control.jobs),
        Route("/api/jobs", control.submit_job, methods=["POST"]),
        Route(job, control.job),
        Route(job, control.delete_job, methods=["DELETE"]),
        Route(f"{job}/points", control.job_points),
        Route(f"{job}/log", control.job_log),
        Route(f"{job}/stop", control.stop_job, methods=["POST"]),
        Route(f"{job}/cancel", control.cancel_job, methods=["POST"]),
        Route(f"{job}/resume", control.resume_job, methods=["POST"]),
        Route("/api/operations/{id}", control.operation),
        Route("/api/operations/{id}/cancel", control.cancel, methods=["POST"]),
        Route("/api/keys", control.keys),
        Route("/api/keys", control.create_key, methods=["POST"]),
        Route("/api/keys/{name}", control.revoke_key, methods=["DELETE"]),
    ]
