"""The gateway: a detached Ray actor with an HTTP server in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from byzer_lab.gateway.app import model_routes, protected
from byzer_lab.gateway.backplane import NearBackplane
from byzer_lab.gateway.control import control_routes
from byzer_lab.gateway.keys import KeyStore
from byzer_lab.gateway.service import Service
from byzer_lab.web import bind, make_server, url_of
from byzer_lab.worker_calls import AsyncDataPlane

if TYPE_CHECKING:
    from ray.actor import ActorHandle


class Gateway:
    """Serves the control API (docs/http-api.md) and OpenAI's (docs/openai-server.md). Made by
    ``byzer_lab.cluster.bootstrap``.

    It listens where its Ray node does: on loopback when the head is embedded.

    Args:
        registry: Handle of the registry.
        port: Port to listen on; the same again after a restart.
        token: Bearer token that it asks for.
        home: Folder of the keys' file.
    """

    def __init__(self, registry: ActorHandle, port: int, token: str, home: str) -> None:
        import ray

        self._token = token
        listener = bind(ray.util.get_node_ip_address(), port)
        self._url = url_of(listener)
        store = KeyStore(Path(home) / "keys.json")
        backplane = NearBackplane(registry, store)
        service = Service(backplane, AsyncDataPlane(token, backplane.route))
        routes = [*control_routes(registry, store), *model_routes(service)]
        app = protected(routes, token, backplane.keys)
        self._serving = asyncio.get_running_loop().create_task(
            make_server(app).serve(sockets=[listener])
        )

    async def address(self) -> tuple[str, str]:
        """Its URL and its token."""
        return self._url, self._token
