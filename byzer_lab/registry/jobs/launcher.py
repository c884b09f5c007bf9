"""Jobs' processes on Ray: create one, find it again, wait for its end, end it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from byzer_lab.config import NAMESPACE
from byzer_lab.errors import ByzerLabError, EngineError, WorkerLostError, describe
from byzer_lab.jobs import JobEnd, JobSpec
from byzer_lab.registry.jobs.leftovers import free_leftovers
from byzer_lab.registry.launcher import Cluster, named_actors, why_lost
from byzer_lab.registry.placement import has_room

if TYPE_CHECKING:
    from ray.actor import ActorHandle

PREFIX = "job:"
CALLS_AT_ONCE = 10


class JobProcess:
    """The registry's end of one attempt at a job.

    Args:
        actor: Handle of its Ray actor.
    """

    def __init__(self, actor: ActorHandle) -> None:
        self._actor = actor

    async def run(self) -> JobEnd:
        """Let the job work until its end. Safe to call again: later calls join.

        Raises:
            WorkerLostError: The process ended before the job did.
            ByzerLabError: The job failed.
        """
        import ray

        try:
            outcome: JobEnd | ByzerLabError = await self._actor.run.remote()
        except ray.exceptions.RayActorError as error:
            raise WorkerLostError(why_lost(error, "Its process")) from error
        except ray.exceptions.RayError as error:
            raise EngineError(describe(error)) from error
        if isinstance(outcome, ByzerLabError):
            raise outcome
        return outcome

    def stop(self) -> None:
        """Ask it to save what it has and return from ``run``."""
        self._actor.stop.remote()

    def kill(self) -> None:
        """End its process now, and give back what it reserved."""
        import ray

        ray.kill(self._actor, no_restart=True)


class JobLauncher(Cluster):
    """Creates jobs' processes as detached, named Ray actors, so that they outlive the registry."""

    def create(
        self, process_id: str, spec: JobSpec, attempt: int, secrets: dict[str, str]
    ) -> JobProcess:
        """Ask Ray for a process; it comes when the cluster has room.

        A job of one worker trains in it. More are started by it, and then it reserves nothing.
        """
        import ray

        from byzer_lab.training.actor import TrainJob

        alone = spec.workers == 1
        context = ray.get_runtime_context()
        environment = {
            "OMP_NUM_THREADS": str(max(1, int(spec.cpus_per_worker))),
            "TOKENIZERS_PARALLELISM": "false",
            # Else Ray Train's cleaner fails where the host has two clusters, and what a killed
            # job had reserved stays reserved.
            "RAY_ADDRESS": context.gcs_address,
            "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "0",  # the job has a thread of its own
        }
        actor = (
            ray.remote(TrainJob)
            .options(
                name=PREFIX + process_id,
                namespace=NAMESPACE,
                lifetime="detached",
                max_restarts=0,  # the supervisor starts the next attempt
                max_concurrency=CALLS_AT_ONCE,
                num_cpus=spec.cpus_per_worker if alone else 0,
                num_gpus=spec.gpus_per_worker if alone else 0,
                resources=spec.resources if alone else {},
                runtime_env={"env_vars": environment},
            )
            .remote(process_id, spec, attempt, secrets, context.current_actor)
        )
        return JobProcess(actor)

    def adopt(self, process_id: str) -> JobProcess | None:
        """The process of that id where it still runs."""
        import ray

        try:
            return JobProcess(ray.get_actor(PREFIX + process_id, namespace=NAMESPACE))
        except ValueError:
            return None

    def running(self) -> set[str]:
        """Ids of all processes of jobs."""
        return named_actors(PREFIX)

    def free_leftovers(self) -> None:
        """Give back what groups of processes that were killed have reserved."""
        free_leftovers()

    def has_room(self, spec: JobSpec) -> bool:
        """Whether as much is free as its workers want."""
        return has_room(spec, self.free())


def process_id(job_id: str, attempt: int) -> str:
    """Of one attempt at a job."""
    return f"{job_id}-{attempt}"


def parts_of(process: str) -> tuple[str, int]:
    """The job's id and the attempt that :func:`process_id` was given."""
    job_id, _, attempt = process.rpartition("-")
    return job_id, int(attempt)
