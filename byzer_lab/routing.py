"""Which worker gets the next request.

``lru`` (the default) takes the worker that this client left alone for longest, ``least_loaded`` the
one with the fewest requests, ``prefix`` the one that prompts with the same beginning went to, whose
engine may still have computed it, ``round_robin`` one after another. All but the last pass over a
worker whose slots are all taken while another one has a slot free: the worker says so itself, so
that it holds for any number of clients. ``round_robin`` never looks at the load, and so is exact:
of n requests of one client, each of w workers gets n/w, rounded up or down.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from byzer_lab.errors import InvalidRequestError, NotReadyError, QueueFullError
from byzer_lab.records import Endpoint, Route
from byzer_lab.types import GenerateRequest, Sampling

ROUTE_AGE_S = 1.0
"""A list of workers older than this is asked for again before it is used."""

PREFIX_LENGTH = 1024
"""Characters of a prompt whose beginning is compared; further turns of a conversation keep it."""


@dataclass(frozen=True)
class Choice:
    """The worker for a request.

    Attributes:
        endpoint: Where it listens.
        may_wait: The request may wait in its queue; else a busy worker is to refuse it, because
            another one may be free.
        generation: Generation parameters of the deployment, for what the request leaves open.
    """

    endpoint: Endpoint
    may_wait: bool
    generation: Sampling


class Attempts:
    """What was tried for one request.

    Attributes:
        failed: Ids of workers that could not be reached or broke.
        busy: Of each worker that was not to let the request wait, how many requests it has.
        full: Ids of workers whose queue had no place, and what they said.
        pin: Number of the only worker that may answer; ``None`` for any.
        request: What is asked, where it is a prompt.
    """

    def __init__(self, pin: int | None = None, request: GenerateRequest | None = None) -> None:
        self.failed: set[str] = set()
        self.busy: dict[str, int] = {}
        self.full: dict[str, QueueFullError] = {}
        self.pin = pin
        self.request = request


def prefix_of(request: GenerateRequest) -> str:
    """The beginning of what a model is asked, for ``prefix``."""
    if request.prompt is not None:
        return request.prompt[:PREFIX_LENGTH]
    turns = (f"{one.role}\n{one.text}\n" for one in request.messages or ())
    return "".join(turns)[:PREFIX_LENGTH]


class Router:
    """Spreads requests over the ready workers of deployments. Usable from several threads.

    Args:
        fetch: Asks the gateway for a deployment's route.
    """

    def __init__(self, fetch: Callable[[str], Route]) -> None:
        self._fetch = fetch
        self._lock = threading.Lock()
        self._routes: dict[str, tuple[float, Route]] = {}
        self._used: dict[str, float] = {}
        self._turns: dict[str, int] = {}
        self._running: Counter[str] = Counter()

    def pick(self, deployment: str, attempts: Attempts) -> Choice:
        """The worker to send the next request to.

        Args:
            deployment: Name of the deployment.
            attempts: What was tried already.

        Raises:
            ModelNotFoundError: There is no such deployment.
            NotReadyError: It has no worker that can answer now.
            QueueFullError: Every worker's queue is full.
            InvalidRequestError: The pinned worker does not exist.
        """
        route = self.known(deployment, fresh=bool(attempts.failed))
        if route is None:
            route = self._fetch(deployment)
            self.learn(route)
        return self.choose(route, attempts)

    def choose(self, route: Route, attempts: Attempts) -> Choice:
        """:meth:`pick` where the route is at hand."""
        candidates = [one for one in route.endpoints if one.worker not in attempts.failed]
        if attempts.pin is not None:
            candidates = [_pinned(route, candidates, attempts.pin)]
        if not candidates:
            raise NotReadyError(_why_nobody(route))
        candidates = [one for one in candidates if one.worker not in attempts.full]
        if not candidates:
            raise next(iter(attempts.full.values()))
        with self._lock:
            endpoint, may_wait = self._worker(route, candidates, attempts)
            self._used[endpoint.worker] = time.monotonic()
        return Choice(endpoint, may_wait, route.generation)

    def forget(self, deployment: str) -> None:
        """Ask for the route again before it is used the next time."""
        self._routes.pop(deployment, None)

    @contextlib.contextmanager
    def running(self, endpoint: Endpoint) -> Iterator[None]:
        """Count a request as the worker's while it runs."""
        with self._lock:
            self._running[endpoint.worker] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[endpoint.worker] -= 1
                if not self._running[endpoint.worker]:
                    del self._running[endpoint.worker]

    def known(self, deployment: str, *, fresh: bool) -> Route | None:
        """The route as it was told last; ``None``, and forgotten, where it must be asked for.

        Args:
            deployment: Name of the deployment.
            fresh: What was told before is known to be out of date.
        """
        fetched_at, route = self._routes.get(deployment, (0.0, None))
        if route is None or fresh or time.monotonic() - fetched_at > ROUTE_AGE_S:
            self.forget(deployment)
            return None
        return route

    def learn(self, route: Route) -> None:
        """Take a route that was asked for just now."""
        self._routes[route.deployment] = (time.monotonic(), route)

    def _worker(
        self, route: Route, candidates: list[Endpoint], attempts: Attempts
    ) -> tuple[Endpoint, bool]:
        if len(candidates) == 1:
            return candidates[0], True
        if route.load_balance == "round_robin":
            # Clients begin at different workers, or the first one would get all that ask once.
            turn = self._turns.setdefault(route.deployment, random.randrange(len(candidates)))
            self._turns[route.deployment] = turn + 1
            return candidates[turn % len(candidates)], True
        untried = [one for one in candidates if one.worker not in attempts.busy]
        if not untried:  # all are busy: wait where the fewest do
            return min(candidates, key=lambda one: attempts.busy[one.worker]), True
        if route.load_balance == "prefix" and attempts.request is not None:
            prefix = prefix_of(attempts.request)
            return max(untried, key=lambda one: _affinity(one, prefix)), False
        least_loaded = route.load_balance == "least_loaded"
        return min(untried, key=self._load if least_loaded else self._use), False

    def _use(self, endpoint: Endpoint) -> tuple[float, int]:
        """When it was used last; of two never used, the less busy one comes first."""
        return self._used.get(endpoint.worker, 0.0), endpoint.busy

    def _load(self, endpoint: Endpoint) -> tuple[int, float]:
        """Its requests, as it told last and as this client knows; of two alike, the use decides."""
        requests = max(endpoint.busy, self._running[endpoint.worker])
        return requests, self._used.get(endpoint.worker, 0.0)


def _affinity(endpoint: Endpoint, prefix: str) -> bytes:
    """Of all workers the same one has the greatest for a prefix; when one is lost or added, only
    its own prefixes move (rendezvous hashing, Thaler and Ravishankar 1998)."""
    return hashlib.blake2b(f"{endpoint.index}\n{prefix}".encode(), digest_size=8).digest()


def _pinned(route: Route, candidates: list[Endpoint], pin: int) -> Endpoint:
    for endpoint in candidates:
        if endpoint.index == pin:
            return endpoint
    if pin >= route.workers:
        raise InvalidRequestError(
            f"The request is pinned to worker {pin}, but {route.deployment!r} has the workers 0 to "
            f"{route.workers - 1}; change setup_pin_model_worker_mapping."
        )
    raise NotReadyError(
        f"The request is pinned to worker {pin} of {route.deployment!r}, which is not ready; wait "
        "for it, or change setup_pin_model_worker_mapping."
    )


def _why_nobody(route: Route) -> str:
    name = route.deployment
    if route.state == "failed":
        return f"{name!r} has failed; look at its log (%llm_logs {name}), then deploy it again."
    if route.state == "draining":
        return f"{name!r} is being undeployed."
    if route.endpoints:  # all of them have just failed, and the registry does not know yet
        return f"Every worker of {name!r} was lost or is going down; ask again in a moment."
    return f"{name!r} is not ready yet, it is {route.state}; wait for it, or look at its log."
