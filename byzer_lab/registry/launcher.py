"""Worker processes on Ray: create one, find it again, watch it, end it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byzer_lab.config import NAMESPACE
from byzer_lab.errors import EngineError, InvalidRequestError, WorkerLostError, describe
from byzer_lab.records import ClusterRecord, DeploymentSpec, Resources

if TYPE_CHECKING:
    from ray.actor import ActorHandle

PREFIX = "worker:"
CALLS_AT_ONCE = 100  # control calls to a worker; requests come by HTTP


class WorkerProcess:
    """The registry's end of one worker.

    Args:
        actor: Handle of its Ray actor.
    """

    def __init__(self, actor: ActorHandle) -> None:
        self._actor = actor

    async def run(self) -> None:
        """Let the worker work until it has drained. Safe to call again: later calls join.

        Raises:
            ByzerLabError: The engine could not be loaded, or the process ended.
        """
        import ray

        try:
            failure = await self._actor.run.remote()
        except ray.exceptions.RayActorError as error:
            raise WorkerLostError(_why_lost(error)) from error
        except ray.exceptions.RayError as error:
            raise EngineError(describe(error)) from error
        if failure:
            raise failure

    def drain(self) -> None:
        """Ask it to refuse new requests, finish the running ones and return from ``run``."""
        self._actor.drain.remote()

    def kill(self) -> None:
        """End its process now."""
        import ray

        ray.kill(self._actor, no_restart=True)


def _why_lost(error: Exception) -> str:
    cause = str(error)
    if "OOM" in cause and "out of memory" in cause.lower() and "killed by the Ray" in cause:
        return "The worker's process was ended because the machine ran out of memory."
    return "The worker's process ended unexpectedly (killed, crashed or out of memory)."


class RayLauncher:
    """Creates workers as detached, named Ray actors, so that they outlive the registry.

    Args:
        token: Bearer token that the workers ask for.
    """

    def __init__(self, token: str) -> None:
        self._token = token

    def create(
        self, worker_id: str, spec: DeploymentSpec, secrets: dict[str, str]
    ) -> WorkerProcess:
        """Ask Ray for a process; it comes when the cluster has room."""
        import ray

        from byzer_lab.workers.actor import Worker

        options = {
            "name": PREFIX + worker_id,
            "namespace": NAMESPACE,
            "lifetime": "detached",
            "num_cpus": spec.cpus_per_worker,
            "num_gpus": spec.gpus_per_worker,
            "max_restarts": 0,  # the supervisor replaces a lost worker by a new one
            "max_concurrency": CALLS_AT_ONCE,
        }
        registry = ray.get_runtime_context().current_actor
        actor = (
            ray.remote(Worker)
            .options(**options)
            .remote(worker_id, spec, secrets, registry, self._token)
        )
        return WorkerProcess(actor)

    def adopt(self, worker_id: str) -> WorkerProcess | None:
        """The worker of that id where it still runs."""
        import ray

        try:
            return WorkerProcess(ray.get_actor(PREFIX + worker_id, namespace=NAMESPACE))
        except ValueError:
            return None

    def running(self) -> set[str]:
        """Ids of all workers that run."""
        import ray

        actors: list[dict[str, Any]] = ray.util.list_named_actors(all_namespaces=True)
        return {
            actor["name"].removeprefix(PREFIX)
            for actor in actors
            if actor["namespace"] == NAMESPACE and actor["name"].startswith(PREFIX)
        }

    def check_fit(self, spec: DeploymentSpec) -> None:
        """Raise :class:`InvalidRequestError` where no node could ever hold one worker."""
        nodes = self._nodes()
        fits = any(
            node.get("CPU", 0) >= spec.cpus_per_worker
            and node.get("GPU", 0) >= spec.gpus_per_worker
            for node in nodes
        )
        if not fits:
            has = "; ".join(
                f"{node.get('CPU', 0):g} CPUs and {node.get('GPU', 0):g} GPUs" for node in nodes
            )
            raise InvalidRequestError(
                f"One worker of {spec.name!r} wants {spec.cpus_per_worker:g} CPUs and "
                f"{spec.gpus_per_worker:g} GPUs, but the cluster's nodes have {has}; ask for less, "
                "or add a larger node."
            )

    def cluster(self) -> ClusterRecord:
        """What the Ray cluster has and what is reserved."""
        import ray

        nodes, free = self._nodes(), ray.available_resources()

        def amount(name: str) -> Resources:
            total = sum(node.get(name, 0.0) for node in nodes)
            return Resources(total=total, used=round(total - free.get(name, 0.0), 4))

        return ClusterRecord(
            address=ray.get_runtime_context().gcs_address,
            nodes=len(nodes),
            cpus=amount("CPU"),
            gpus=amount("GPU"),
        )

    def _nodes(self) -> list[dict[str, float]]:
        import ray

        return [node["Resources"] for node in ray.nodes() if node["Alive"]]
