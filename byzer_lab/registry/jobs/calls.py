"""The registry's methods about jobs."""

from __future__ import annotations

from typing import Any

from byzer_lab.jobs import JobRecord, JobReport
from byzer_lab.registry.answers import answers
from byzer_lab.registry.jobs.jobs import Jobs, page
from byzer_lab.registry.jobs.requests import JobBody
from byzer_lab.web import decode_body


class JobCalls:
    """The calls; mixed into :class:`byzer_lab.registry.actor.Registry`. See docs/http-api.md."""

    _jobs: Jobs

    @answers
    async def submit_job(self, body: bytes) -> JobRecord:
        """Begin a job; see ``POST /api/jobs``."""
        return await self._jobs.submit(decode_body(body, JobBody))

    @answers
    async def jobs(self) -> list[JobRecord]:
        """All jobs; see ``GET /api/jobs``."""
        return self._jobs.all()

    @answers
    async def job(self, name: str, since: int, wait: float) -> JobRecord:
        """One job; see ``GET /api/jobs/NAME``."""
        return await self._jobs.job(name, since, wait)

    @answers
    async def job_points(self, name: str, after: int, limit: int) -> dict[str, Any]:
        """A job's curves; see ``GET /api/jobs/NAME/points``."""
        return {"points": self._jobs.points(name, after, limit)}

    @answers
    async def job_log(self, name: str, after: int, limit: int, wait: float) -> dict[str, Any]:
        """A job's log; see ``GET /api/jobs/NAME/log``."""
        return page(await self._jobs.log(name, after, limit, wait), after)

    @answers
    async def stop_job(self, name: str) -> JobRecord:
        """Let a job save what it has and end; see ``POST /api/jobs/NAME/stop``."""
        supervisor = self._jobs.find(name)
        supervisor.stop()
        return supervisor.record

    @answers
    async def cancel_job(self, name: str) -> JobRecord:
        """End a job soon; see ``POST /api/jobs/NAME/cancel``."""
        supervisor = self._jobs.find(name)
        supervisor.cancel()
        return supervisor.record

    @answers
    async def resume_job(self, name: str) -> JobRecord:
        """Let a job go on; see ``POST /api/jobs/NAME/resume``."""
        supervisor = self._jobs.find(name)
        supervisor.resume()
        return supervisor.record

    @answers
    async def delete_job(self, name: str, files: bool, force: bool) -> JobRecord:
        """Forget a job; see ``DELETE /api/jobs/NAME``."""
        return await self._jobs.delete(name, files=files, force=force)

    async def job_report(
        self, process: str, report: JobReport, lines: list[tuple[float, str]]
    ) -> bool:
        """A job's process tells how it goes, and hands over what it wrote: time and text of each
        line. Answers whether the process is still wanted."""
        return self._jobs.report(process, report, lines)
