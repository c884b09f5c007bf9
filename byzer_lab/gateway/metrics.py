"""What ``/metrics`` tells Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from byzer_lab.records import DeploymentRecord
from byzer_lab.types import Usage

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counts of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._known: set[str] = set()
        who = ["endpoint", "model"]
        self.requests = Counter(
            "byzer_lab_requests", "Requests answered.", [*who, "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "byzer_lab_request_seconds",
            "From a request's arrival to the end of its answer.",
            who,
            buckets=SECONDS,
            registry=self.registry,
        )
        self.running = Gauge(
            "byzer_lab_requests_running", "Requests being answered.", registry=self.registry
        )
        self.input_tokens = Counter(
            "byzer_lab_input_tokens", "Tokens of prompts.", ["model"], registry=self.registry
        )
        self.output_tokens = Counter(
            "byzer_lab_output_tokens", "Tokens generated.", ["model"], registry=self.registry
        )
        ours = ["model"]
        self._workers = Gauge(
            "byzer_lab_workers_ready", "Workers that answer.", ours, registry=self.registry
        )
        self._in_flight = Gauge(
            "byzer_lab_worker_requests_running",
            "Requests that the workers answer.",
            ours,
            registry=self.registry,
        )
        self._queued = Gauge(
            "byzer_lab_worker_requests_waiting",
            "Requests in the workers' queues.",
            ours,
            registry=self.registry,
        )
        self._rate = Gauge(
            "byzer_lab_tokens_per_second",
            "Tokens of the last second, of all workers.",
            ours,
            registry=self.registry,
        )

    def count(self, endpoint: str, model: str, status: int, seconds: float, usage: Usage) -> None:
        """Count a request that has ended.

        Args:
            endpoint: Its path.
            model: The deployment that it named. One that has neither answered nor been listed
                yet is left out, or made-up names would fill the table.
            status: HTTP status of its answer.
            seconds: How long it took.
            usage: Its tokens.
        """
        if 200 <= status < 300:
            self._known.add(model)
        who = model if model in self._known else ""
        self.requests.labels(endpoint, who, str(status)).inc()
        self.seconds.labels(endpoint, who).observe(seconds)
        self.input_tokens.labels(who).inc(usage.input_tokens)
        self.output_tokens.labels(who).inc(usage.output_tokens)

    def text(self, deployments: Iterable[DeploymentRecord]) -> bytes:
        """Everything, in Prometheus' text format.

        Args:
            deployments: What the cluster has now.
        """
        for gauge in (self._workers, self._in_flight, self._queued, self._rate):
            gauge.clear()
        for record in deployments:
            name, loads = record.spec.name, [worker.load for worker in record.workers]
            ready = sum(worker.state == "ready" for worker in record.workers)
            self._known.add(name)
            self._workers.labels(name).set(ready)
            self._in_flight.labels(name).set(sum(load.in_flight for load in loads))
            self._queued.labels(name).set(sum(load.queued for load in loads))
            self._rate.labels(name).set(sum(load.tokens_per_second for load in loads))
        return generate_latest(self.registry)
