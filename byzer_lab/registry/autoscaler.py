"""How many workers a deployment should have by its load."""

from __future__ import annotations

import math

from byzer_lab.records import DeploymentSpec, WorkerRecord

BUSY_SHARE = 0.8
"""Workers are wanted so that each has at most this share of its slots taken."""
UP_AFTER_S = 2.0
"""More load than the workers should have must last so long, or a short burst would add workers."""


class Autoscaler:
    """Follows the load of one deployment.

    More workers come soon, because requests wait; fewer come late, because loading is expensive.
    """

    def __init__(self) -> None:
        self._too_few_since: float | None = None
        self._too_many_since: float | None = None

    def wanted(self, spec: DeploymentSpec, workers: list[WorkerRecord], now: float) -> int:
        """How many workers there should be.

        Args:
            spec: The deployment; with ``max_workers`` set.
            workers: Its workers.
            now: Seconds on a clock that never goes back.
        """
        requests = sum(w.load.in_flight + w.load.queued for w in workers if w.state == "ready")
        needed = math.ceil(requests / (BUSY_SHARE * spec.worker_concurrency))
        needed = min(max(needed, spec.min_workers), spec.max_workers or spec.workers)
        if needed > spec.workers:
            self._too_many_since = None
            if self._too_few_since is None:
                self._too_few_since = now
            return self._decided(needed, spec.workers, now - self._too_few_since >= UP_AFTER_S)
        self._too_few_since = None
        if needed == spec.workers:
            self._too_many_since = None
        elif self._too_many_since is None:
            self._too_many_since = now
        since = now if self._too_many_since is None else self._too_many_since
        return self._decided(needed, spec.workers, now - since >= spec.scale_down_after_s)

    def _decided(self, needed: int, present: int, lasted: bool) -> int:
        if lasted:
            self._too_few_since = self._too_many_since = None
        return needed if lasted else present
