"""All jobs: begun, looked up, ended and forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from typing import Any

import msgspec

from byzer_lab.errors import ConflictError, EngineError, NotFoundError, describe
from byzer_lab.jobs import ENDED, JobPoint, JobRecord, JobReport
from byzer_lab.records import LogLine
from byzer_lab.registry.jobs.folders import make_folder, refuse_shared_folder, remove_folder
from byzer_lab.registry.jobs.launcher import JobLauncher, parts_of, process_id
from byzer_lab.registry.jobs.requests import JobBody, check, completed
from byzer_lab.registry.jobs.supervisor import JobSupervisor
from byzer_lab.registry.journal import Journal
from byzer_lab.registry.store import job_key
from byzer_lab.secrets import conceal


class Jobs:
    """The jobs of one cluster.

    Args:
        journal: Where they are kept.
        launcher: Makes their processes.
    """

    def __init__(self, journal: Journal, launcher: JobLauncher) -> None:
        self._journal = journal
        self._launcher = launcher
        self._supervisors: dict[str, JobSupervisor] = {}

    def restore(self) -> None:
        """Take up what was asked for before the registry was restarted."""
        records = list(self._journal.jobs.values())
        known = {process_id(r.id, r.attempt) for r in records if r.state not in ENDED}
        for orphan in self._launcher.running() - known:
            if process := self._launcher.adopt(orphan):
                process.kill()
        with contextlib.suppress(Exception):  # jobs must not fail of it
            self._launcher.free_leftovers()
        for record in records:
            supervisor = self._supervise(record)
            try:
                supervisor.adopt()
            except Exception as error:  # one bad record must not cost the others
                supervisor.fail(EngineError(f"It could not be restored: {describe(error)}"))

    async def submit(self, request: JobBody) -> JobRecord:
        """Begin a job.

        Raises:
            InvalidRequestError: Something in it is wrong, or no node can hold it.
            ConflictError: The name or the folder is taken.
        """
        parameters, written = conceal(request.spec.parameters)
        values = {**request.secrets, **written}
        spec = completed(msgspec.structs.replace(request.spec, parameters=parameters))
        self._refuse_taken_name(spec.name, request.replace)
        refuse_shared_folder(spec, list(self._journal.jobs.values()))
        self._launcher.check_fit(spec)
        await asyncio.to_thread(check, spec, values)  # it may read a model's folder
        self._refuse_taken_name(spec.name, request.replace)  # somebody may have been faster
        record = JobRecord(
            id=secrets.token_hex(8), spec=spec, warnings=spec.notes, created_at=time.time()
        )
        make_folder(record)
        if earlier := self._journal.jobs.get(spec.name):
            self._journal.remove_job(earlier)
        self._journal.save_secrets(job_key(record.id), values)
        self._journal.touch(record)
        self._supervise(record).start()
        return record

    def _refuse_taken_name(self, name: str, replace: bool) -> None:
        earlier = self._journal.jobs.get(name)
        if earlier is None:
            return
        if earlier.state not in ENDED:
            raise ConflictError(
                f"The job {name!r} is {earlier.state}; stop it first, or choose another name."
            )
        if not replace:
            raise ConflictError(
                f"There is a job {name!r} already, which is {earlier.state}; delete it, choose "
                "another name, or begin with replace."
            )

    def all(self) -> list[JobRecord]:
        """Every job, oldest first."""
        return sorted(self._journal.jobs.values(), key=lambda record: record.created_at)

    async def job(self, name: str, since: int, wait: float) -> JobRecord:
        """One job; with ``wait`` once it is newer than ``since`` or has ended."""
        deadline = time.monotonic() + wait
        record = self.find(name).record
        while record.finished_at is None and record.rev <= since:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            await self._journal.wait_for_change(self._journal.rev, left)
            record = self.find(name).record
        return record

    def points(self, name: str, after: int, limit: int) -> list[JobPoint]:
        """A job's curves after a step."""
        return self._journal.points(self.find(name).record.id, after, limit)

    async def log(self, name: str, after: int, limit: int, wait: float) -> list[LogLine]:
        """Lines of a job's log after a number."""
        key = job_key(self.find(name).record.id)
        return await self._journal.read_log(key, after, limit, wait)

    async def delete(self, name: str, *, files: bool, force: bool) -> JobRecord:
        """Forget a job.

        Args:
            name: Its name.
            files: Delete its folder too.
            force: Where it has not ended, end it at once.

        Raises:
            ConflictError: It has not ended, or its folder can't be deleted.
        """
        supervisor = self.find(name)
        record = supervisor.record
        if record.state not in ENDED:
            if not force:
                raise ConflictError(
                    f"The job {name!r} is {record.state}; stop or cancel it before you delete it."
                )
            supervisor.cancel(grace_s=0.0)
            await supervisor.ended.wait()
        if files:
            await asyncio.to_thread(remove_folder, record)
        if self._journal.jobs.get(name) is record:
            self._journal.remove_job(record)
            del self._supervisors[record.id]
        return record

    def report(self, process: str, report: JobReport, lines: list[tuple[float, str]]) -> bool:
        """A job's process tells how it goes.

        Returns:
            Whether it is wanted.
        """
        job_id, attempt = parts_of(process)
        supervisor = self._supervisors.get(job_id)
        return supervisor is not None and supervisor.report(attempt, report, lines)

    def find(self, name: str) -> JobSupervisor:
        """The job of a name.

        Raises:
            NotFoundError: There is none.
        """
        record = self._journal.jobs.get(name)
        if record is None:
            names = ", ".join(sorted(self._journal.jobs)) or "none"
            raise NotFoundError(f"There is no job {name!r}; there is: {names}.")
        return self._supervisors[record.id]

    def _supervise(self, record: JobRecord) -> JobSupervisor:
        supervisor = JobSupervisor(record, self._journal, self._launcher)
        self._supervisors[record.id] = supervisor
        return supervisor


def page(lines: list[LogLine], after: int) -> dict[str, Any]:
    """Lines, and the number to ask after next."""
    return {"lines": lines, "next": lines[-1].seq if lines else max(after, 0)}
