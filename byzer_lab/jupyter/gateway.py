"""The one place of the Jupyter server that talks to the cluster's gateway, with its token."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import msgspec

from byzer_lab.cluster import runtime
from byzer_lab.errors import ClusterError, from_wire
from byzer_lab.records import StateSnapshot

CONNECT_TIMEOUT_S = 3.0
READ_TIMEOUT_S = 15.0


class NoClusterError(ClusterError):
    """There is no runtime file: no cluster was started, or it was stopped."""


class GatewayClient:
    """Sends requests to the gateway that the runtime file names at that moment."""

    def __init__(self) -> None:
        # A proxy set in the environment must never see the token nor swallow loopback calls.
        self._client = httpx.AsyncClient(trust_env=False)

    async def state(self, since: int | None, epoch: str, wait_s: float) -> StateSnapshot:
        """Ask for what changed since a revision, waiting for a change.

        Raises:
            ClusterError: There is no cluster, or it does not answer as one.
        """
        params = None if since is None else {"since": since, "epoch": epoch, "wait": wait_s}
        response = await self.request("GET", "/api/state", params, wait_s)
        try:
            if response.status_code != 200:
                raise from_wire(response.json()["error"])
            return msgspec.json.decode(response.content, type=StateSnapshot)
        except (msgspec.DecodeError, ValueError, LookupError) as error:
            raise ClusterError(
                f"The gateway's state can't be understood ({error}); does the cluster run another "
                "version of Byzer Lab than this Jupyter server?"
            ) from error

    async def request(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        wait_s: float = 0.0,
        content: bytes | None = None,
    ) -> httpx.Response:
        """Pass a call on to the gateway.

        Args:
            method: HTTP method.
            path: Path on the gateway, from its root.
            params: Query parameters.
            wait_s: How long the gateway may hold the answer back.
            content: JSON body.

        Raises:
            NoClusterError: Nothing says where a cluster runs.
            ClusterError: The gateway can't be reached or refuses the token.
        """
        found = await asyncio.to_thread(runtime.read_runtime)
        if found is None:
            raise NoClusterError("No cluster is running; start one first.")
        headers = {"Authorization": f"Bearer {found.token}"}
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            response = await self._client.request(
                method,
                found.url + path,
                params=params,
                content=content,
                headers=headers,
                timeout=httpx.Timeout(READ_TIMEOUT_S + wait_s, connect=CONNECT_TIMEOUT_S),
            )
        except httpx.HTTPError as error:
            raise ClusterError(f"The cluster's gateway at {found.url} does not answer.") from error
        if response.status_code == 401:
            # Passed on as 401 it would read as if the user's Jupyter login had ended.
            raise ClusterError(f"The gateway at {found.url} refuses the runtime file's token.")
        return response

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()
