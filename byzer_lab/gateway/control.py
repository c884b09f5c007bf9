"""Routes of the control API: each one is a call of the registry."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from byzer_lab import __version__
from byzer_lab.errors import ClusterError, InvalidRequestError
from byzer_lab.web import json_response

if TYPE_CHECKING:
    from ray.actor import ActorHandle

LONGEST_WAIT_S = 30.0
REGISTRY_RESTART_S = 10.0
"""A registry that died is restarted by Ray; readers wait that long for it."""


class Control:
    """Turns HTTP requests into calls of the registry.

    Args:
        registry: Handle of the registry.
    """

    def __init__(self, registry: ActorHandle) -> None:
        self._registry = registry

    async def health(self, _: Request) -> Response:
        """Say who is here."""
        return json_response({"service": "byzer-lab", "version": __version__})

    async def state(self, request: Request) -> Response:
        """See docs/http-api.md, as for every method below."""
        since = request.query_params.get("since")
        epoch = request.query_params.get("epoch", "")
        revision = None if since is None else _number(request, "since", 0)
        return await self._read("state", revision, epoch, _wait(request))

    async def deploy(self, request: Request) -> Response:
        return await self._change("deploy", await request.body())

    async def undeploy(self, request: Request) -> Response:
        force = request.query_params.get("force", "false") == "true"
        return await self._change("undeploy", request.path_params["name"], force)

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

    async def backends(self, _: Request) -> Response:
        return await self._read("backends")

    async def _change(self, method: str, *args: Any) -> Response:
        """Call once: a change whose answer was lost must not be made twice."""
        import ray

        try:
            answer = await getattr(self._registry, method).remote(*args)
        except ray.exceptions.RayActorError as error:
            raise ClusterError(
                "The registry is restarting; look at the state in a few seconds, then try again."
            ) from error
        return json_response(answer.body, answer.status)

    async def _read(self, method: str, *args: Any) -> Response:
        """Call, and again while the registry restarts."""
        deadline = time.monotonic() + REGISTRY_RESTART_S
        while True:
            try:
                return await self._change(method, *args)
            except ClusterError:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.2)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    try:
        return default if text is None else int(text)
    except ValueError:
        raise InvalidRequestError(f"{name} must be a whole number, not {text!r}.") from None


def _wait(request: Request) -> float:
    text = request.query_params.get("wait", "0")
    try:
        return min(max(float(text), 0.0), LONGEST_WAIT_S)
    except ValueError:
        raise InvalidRequestError(f"wait must be a number of seconds, not {text!r}.") from None


def control_routes(registry: ActorHandle) -> list[Route]:
    """The control API.

    Args:
        registry: Handle of the registry.
    """
    control = Control(registry)
    deployment = "/api/deployments/{name}"
    return [
        Route("/health", control.health),
        Route("/api/state", control.state),
        Route("/api/backends", control.backends),
        Route("/api/deployments", control.deploy, methods=["POST"]),
        Route(deployment, control.undeploy, methods=["DELETE"]),
        Route(f"{deployment}/scale", control.scale, methods=["POST"]),
        Route(f"{deployment}/generation", control.generation, methods=["POST"]),
        Route(f"{deployment}/route", control.route),
        Route(f"{deployment}/logs", control.log),
        Route("/api/operations/{id}", control.operation),
        Route("/api/operations/{id}/cancel", control.cancel, methods=["POST"]),
    ]
