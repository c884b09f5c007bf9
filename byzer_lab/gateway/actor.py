"""The gateway: a detached Ray actor with an HTTP server in it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from byzer_lab.gateway.control import control_routes
from byzer_lab.web import bind, make_app, make_server, url_of

if TYPE_CHECKING:
    from ray.actor import ActorHandle


class Gateway:
    """Serves the control API; see docs/http-api.md. Made by ``byzer_lab.cluster.bootstrap``.

    It listens where its Ray node does: on loopback when the head is embedded.

    Args:
        registry: Handle of the registry.
        port: Port to listen on; the same again after a restart.
        token: Bearer token that it asks for.
    """

    def __init__(self, registry: ActorHandle, port: int, token: str) -> None:
        import ray

        self._token = token
        listener = bind(ray.util.get_node_ip_address(), port)
        self._url = url_of(listener)
        app = make_app(control_routes(registry), token, open_paths=frozenset({"/health"}))
        self._serving = asyncio.get_running_loop().create_task(
            make_server(app).serve(sockets=[listener])
        )

    async def address(self) -> tuple[str, str]:
        """Its URL and its token."""
        return self._url, self._token
