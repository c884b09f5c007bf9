"""Which worker gets the next request."""

from __future__ import annotations

import time
from collections.abc import Callable

from byzer_lab.errors import NotReadyError
from byzer_lab.records import Endpoint, Route

ROUTE_AGE_S = 1.0
"""A list of workers older than this is asked for again before it is used."""


class Router:
    """Spreads requests over a deployment's ready workers, the longest unused one first.

    Args:
        fetch: Asks the gateway for a deployment's route.
    """

    def __init__(self, fetch: Callable[[str], Route]) -> None:
        self._fetch = fetch
        self._routes: dict[str, tuple[float, Route]] = {}
        self._used: dict[str, float] = {}

    def pick(self, deployment: str, avoid: set[str]) -> Endpoint:
        """The worker to send the next request to.

        Args:
            deployment: Name of the deployment.
            avoid: Ids of workers that have just failed.

        Raises:
            ModelNotFoundError: There is no such deployment.
            NotReadyError: It has no worker that can answer now.
        """
        fetched_at, route = self._routes.get(deployment, (0.0, None))
        if route is None or avoid or time.monotonic() - fetched_at > ROUTE_AGE_S:
            self._routes.pop(deployment, None)
            route = self._fetch(deployment)
            self._routes[deployment] = (time.monotonic(), route)
        candidates = [endpoint for endpoint in route.endpoints if endpoint.worker not in avoid]
        if not candidates:
            raise NotReadyError(_why_nobody(route))
        chosen = min(candidates, key=lambda endpoint: self._used.get(endpoint.worker, 0.0))
        self._used[chosen.worker] = time.monotonic()
        return chosen


def _why_nobody(route: Route) -> str:
    name = route.deployment
    if route.state == "failed":
        return f"{name!r} has failed; look at its log (%llm_logs {name}), then deploy it again."
    if route.state == "draining":
        return f"{name!r} is being undeployed."
    if route.endpoints:  # all of them have just failed, and the registry does not know yet
        return f"Every worker of {name!r} was lost or is going down; ask again in a moment."
    return f"{name!r} is not ready yet, it is {route.state}; wait for it, or look at its log."
