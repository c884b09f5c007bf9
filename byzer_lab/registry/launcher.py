"""Worker processes on Ray: create one, find it again, watch it, end it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from byzer_lab.config import NAMESPACE
from byzer_lab.errors import EngineError, InvalidRequestError, WorkerLostError, describe
from byzer_lab.records import ClusterRecord, DeploymentSpec, Resources
from byzer_lab.registry.placement import Amounts, Spec, bundles, shortage, waiting_phase

if TYPE_CHECKING:
    from ray.actor import ActorHandle

PREFIX = "worker:"
CALLS_AT_ONCE = 100  # control calls to a worker; requests come by HTTP


class WorkerProcess:
    """The registry's end of one worker.

    Args:
        actor: Handle of its Ray actor.
        worker_id: Its id, which its placement group has as well.
    """

    def __init__(self, actor: ActorHandle, worker_id: str) -> None:
        self._actor = actor
        self._id = worker_id

    async def run(self) -> None:
        """Let the worker work until it has drained. Safe to call again: later calls join.

        Raises:
            ByzerLabError: The engine could not be loaded, or the process ended.
        """
        import ray

        try:
            failure = await self._actor.run.remote()
        except ray.exceptions.RayActorError as error:
            raise WorkerLostError(why_lost(error, "The worker's process")) from error
        except ray.exceptions.RayError as error:
            raise EngineError(describe(error)) from error
        if failure:
            raise failure

    def drain(self) -> None:
        """Ask it to refuse new requests, finish the running ones and return from ``run``."""
        self._actor.drain.remote()

    def kill(self) -> None:
        """End its process now, and give back what it reserved."""
        import ray

        ray.kill(self._actor, no_restart=True)
        remove_placement(self._id)


def why_lost(error: Exception, process: str) -> str:
    """Why a process ended that should not have, in a sentence that begins with ``process``."""
    cause = str(error)
    if "OOM" in cause and "out of memory" in cause.lower() and "killed by the Ray" in cause:
        return f"{process} was ended because the machine ran out of memory."
    return f"{process} ended unexpectedly (killed, crashed or out of memory)."


def remove_placement(worker_id: str) -> None:
    """Give a worker's placement group back, where it has one."""
    import ray

    with contextlib.suppress(ValueError):  # there is none of that name
        ray.util.remove_placement_group(ray.util.get_placement_group(PREFIX + worker_id))


def named_actors(prefix: str) -> set[str]:
    """The names of our actors that begin so, without that beginning."""
    import ray

    actors: list[dict[str, Any]] = ray.util.list_named_actors(all_namespaces=True)
    return {
        actor["name"].removeprefix(prefix)
        for actor in actors
        if actor["namespace"] == NAMESPACE and actor["name"].startswith(prefix)
    }


class Cluster:
    """What the Ray cluster has."""

    def check_fit(self, spec: Spec) -> None:
        """Raise :class:`InvalidRequestError` where the cluster could never hold all workers."""
        if sentence := shortage(spec, self._nodes()):
            raise InvalidRequestError(sentence)

    def waiting_phase(self, spec: Spec) -> str:
        """What a worker waits for that Ray has not placed yet."""
        return waiting_phase(spec, self._nodes(), self.free())

    def free(self) -> Amounts:
        """What is not reserved."""
        import ray

        free: Amounts = ray.available_resources()
        return free

    def cluster(self) -> ClusterRecord:
        """What the Ray cluster has and what is reserved."""
        import ray

        nodes, free = self._nodes(), self.free()

        def amount(name: str) -> Resources:
            total = sum(node.get(name, 0.0) for node in nodes)
            return Resources(total=total, used=round(total - free.get(name, 0.0), 4))

        return ClusterRecord(
            address=ray.get_runtime_context().gcs_address,
            nodes=len(nodes),
            cpus=amount("CPU"),
            gpus=amount("GPU"),
        )

    def _nodes(self) -> list[Amounts]:
        import ray

        return [node["Resources"] for node in ray.nodes() if node["Alive"]]


class RayLauncher(Cluster):
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
            "max_restarts": 0,  # the supervisor replaces a lost worker by a new one
            "max_concurrency": CALLS_AT_ONCE,
            **_reservation(worker_id, spec),
        }
        registry = ray.get_runtime_context().current_actor
        actor = (
            ray.remote(Worker)
            .options(**options)
            .remote(worker_id, spec, secrets, registry, self._token)
        )
        return WorkerProcess(actor, worker_id)

    def adopt(self, worker_id: str) -> WorkerProcess | None:
        """The worker of that id where it still runs; else what it reserved is given back."""
        import ray

        try:
            actor = ray.get_actor(PREFIX + worker_id, namespace=NAMESPACE)
        except ValueError:
            remove_placement(worker_id)
            return None
        return WorkerProcess(actor, worker_id)

    def running(self) -> set[str]:
        """Ids of all workers that run."""
        return named_actors(PREFIX)


def _reservation(worker_id: str, spec: DeploymentSpec) -> dict[str, Any]:
    """Options of an actor: what it reserves, or its place in a placement group."""
    first, *more = bundles(spec)
    if not more:
        return {
            "num_cpus": spec.cpus_per_worker,
            "num_gpus": spec.gpus_per_worker,
            "resources": spec.resources,
        }
    import ray
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    group = ray.util.placement_group(
        [first, *more], strategy="PACK", name=PREFIX + worker_id, lifetime="detached"
    )
    # The engine's own actors take the GPUs; they find the group as the one their parent is in.
    strategy = PlacementGroupSchedulingStrategy(
        group, placement_group_bundle_index=0, placement_group_capture_child_tasks=True
    )
    return {
        "num_cpus": spec.cpus_per_worker,
        "num_gpus": 0,
        "resources": spec.resources,
        "scheduling_strategy": strategy,
    }
