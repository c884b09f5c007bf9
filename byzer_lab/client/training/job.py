"""One job, as Python code holds it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import ConflictError, from_wire
from byzer_lab.jobs import ENDED, JobPoint, JobRecord

if TYPE_CHECKING:
    from byzer_lab.client.training.calls import TrainingCalls
    from byzer_lab.client.training.gateway import JobGateway

WAIT_S = 20.0
MODEL_ARTEFACTS = ("model", "adapter")
"""What can be deployed, the better one first."""


class Job:
    """A job of the cluster. It goes on whatever becomes of this object or its process.

    Args:
        llm: The client that it was asked for.
        record: The job as it was last seen.

    Attributes:
        name: Its name.
    """

    def __init__(self, llm: TrainingCalls, record: JobRecord) -> None:
        self._llm = llm
        self._seen = record
        self.name = record.spec.name

    @property
    def record(self) -> JobRecord:
        """How it is now.

        Raises:
            NotFoundError: It was deleted.
        """
        self._seen = self._gateway.job(self.name)
        return self._seen

    @property
    def state(self) -> str:
        """Its state now; see :class:`~byzer_lab.jobs.JobRecord`."""
        return self.record.state

    @property
    def folder(self) -> str:
        """Its folder."""
        return self._seen.spec.folder

    @property
    def path(self) -> str:
        """Folder of the model or adapter that it made; empty until there is one."""
        artefacts = self.record.artefacts
        return next((artefacts[name] for name in MODEL_ARTEFACTS if name in artefacts), "")

    def wait(
        self,
        progress: Callable[[JobRecord], None] | None = None,
        timeout_s: float | None = None,
    ) -> JobRecord:
        """Wait until it ends. An interrupt leaves it running.

        Args:
            progress: Called with each change.
            timeout_s: Seconds to wait at most.

        Returns:
            How it ended; it may be stopped or cancelled.

        Raises:
            ByzerLabError: It failed; its own error.
            TimeoutError: It has not ended in time.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            for record in self.changes(WAIT_S if deadline is None else min(WAIT_S, 1.0)):
                if progress:
                    progress(record)
                if deadline and time.monotonic() > deadline and record.state not in ENDED:
                    raise TimeoutError(f"The job {self.name!r} is still {record.state}.")
        except KeyboardInterrupt:
            print(f"The job {self.name!r} goes on; job.stop() ends it.")
            raise
        if record.error:
            raise from_wire(record.error)
        return record

    def changes(self, wait_s: float = WAIT_S) -> Iterator[JobRecord]:
        """How it is now, each change of it until it ended, and its end.

        Args:
            wait_s: Seconds after which it is told again though nothing changed.
        """
        record = self.record
        yield record
        while record.state not in ENDED:
            record = self._gateway.job(self.name, since=record.rev, wait=wait_s)
            self._seen = record
            yield record

    def stop(self) -> JobRecord:
        """Let it save what it has and end; see :meth:`wait`."""
        return self._gateway.stop_job(self.name)

    def cancel(self) -> JobRecord:
        """End it; what takes no notice for 20 s is killed."""
        return self._gateway.cancel_job(self.name)

    def resume(self) -> JobRecord:
        """Let it go on from its newest checkpoint, where it has ended before it was done."""
        return self._gateway.resume_job(self.name)

    def delete(self, files: bool = False, force: bool = False) -> None:
        """Forget it.

        Args:
            files: Delete its folder too, with the model that it made.
            force: Where it has not ended, end it at once.
        """
        self._gateway.delete_job(self.name, files=files, force=force)

    def log(self, lines: int = 100) -> list[str]:
        """The last lines of its log."""
        return [line.text for line in self._gateway.job_log(self.name, after=-lines, limit=lines)]

    def points(self, after: int = -1) -> list[JobPoint]:
        """Its curves after a step."""
        return self._gateway.job_points(self.name, after=after)

    def deploy(self, udf_name: str = "", **more: Any) -> dict[str, Any]:
        """Deploy the model that it made.

        Args:
            udf_name: Name of the deployment; default: the job's.
            more: As of :meth:`byzer_lab.client.lifecycle.Lifecycle.deploy`.

        Returns:
            The model's meta.

        Raises:
            ConflictError: There is no model yet.
        """
        path = self.path
        if not path:
            raise ConflictError(
                f"The job {self.name!r} is {self._seen.state} and has made no model to deploy."
            )
        more.setdefault("pretrained_model_type", "custom/auto")
        return self._llm.deploy(model_path=path, udf_name=udf_name or self.name, **more)

    @property
    def _gateway(self) -> JobGateway:
        return self._llm._session.gateway

    def __repr__(self) -> str:
        record = self._seen
        steps = f" {record.step}/{record.total_steps}" if record.total_steps else ""
        return f"<Job {self.name} {record.state}{steps}>"
