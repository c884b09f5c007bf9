"""A job's process: a detached Ray actor. The registry's launcher makes it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from byzer_lab.errors import ByzerLabError, EngineError, describe
from byzer_lab.jobs import JobEnd, JobReport, JobSpec
from byzer_lab.log_capture import LogCapture
from byzer_lab.secrets import Redactor, resolve
from byzer_lab.training.points import kept_points
from byzer_lab.training.running import run_job
from byzer_lab.training.sending import Sender

if TYPE_CHECKING:
    from ray.actor import ActorHandle


class TrainJob:
    """One attempt at a job. Its supervisor ends the process once it has taken the result.

    Args:
        process_id: Under which the registry knows it.
        spec: What to do.
        attempt: How often the job was started.
        secrets: Values of the references in the spec.
        registry: Handle of the registry.
    """

    def __init__(
        self,
        process_id: str,
        spec: JobSpec,
        attempt: int,
        secrets: dict[str, str],
        registry: ActorHandle,
    ) -> None:
        import ray

        self._spec = spec
        self._secrets = secrets
        self._redact = Redactor(secrets.values())
        self._sender = Sender(process_id, attempt, registry, ray.util.get_node_ip_address())
        self._log = LogCapture(self._redact, self._sender.write)
        self._life: asyncio.Task[JobEnd | ByzerLabError] | None = None

    async def run(self) -> JobEnd | ByzerLabError:
        """Do the job; a later call, by a restarted registry, joins the same life.

        Returns:
            How it ended, or why it failed.
        """
        if self._life is None:
            self._life = asyncio.create_task(asyncio.to_thread(self._live))
        return await asyncio.shield(self._life)

    async def stop(self) -> None:
        """Let it save what it has and end."""
        self._sender.stop()

    def _live(self) -> JobEnd | ByzerLabError:
        outcome: JobEnd | ByzerLabError
        try:
            parameters = resolve(self._spec.parameters, self._secrets)
            spec = msgspec.structs.replace(self._spec, parameters=parameters)
            if self._sender.attempt > 1:
                self._sender.report(JobReport(points=kept_points(spec.folder)))
            outcome = run_job(spec, self._sender)
        except ByzerLabError as error:
            outcome = self._redact.error(error)
        except BaseException as error:
            outcome = EngineError(self._redact(describe(error)))
        self._log.drain()
        self._sender.close()
        return outcome
