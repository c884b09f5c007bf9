"""The registry's records, numbered: every change gets a revision, and readers wait for the next.

Whoever changes a record calls :meth:`Journal.touch`; nothing else makes a change visible.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Container, Iterable
from pathlib import Path

from byzer_lab.jobs import JobPoint, JobRecord
from byzer_lab.records import (
    ClusterRecord,
    DeploymentRecord,
    LogLine,
    OperationRecord,
    StateSnapshot,
)
from byzer_lab.registry.store import OPERATIONS_KEPT, Store, job_key

REMOVALS_KEPT = 1_000
FINISHED_SHOWN_S = 60.0
"""A finished operation stays in full snapshots this long, so that a slow face sees its end."""


class Journal:
    """Deployments, operations, jobs and logs, in memory and in the store.

    Args:
        path: The database file.
    """

    def __init__(self, path: Path) -> None:
        self._store = Store(path)
        self.epoch = secrets.token_hex(8)
        self.rev = 0
        self.deployments = {record.spec.name: record for record in self._store.deployments()}
        self.operations = {record.id: record for record in self._store.operations()}
        self.jobs = {record.spec.name: record for record in self._store.jobs()}
        for deployment in self.deployments.values():
            deployment.rev = 0  # revisions count within an epoch
        for operation in self.operations.values():
            operation.rev = 0
        for job in self.jobs.values():
            job.rev = 0
        self.secrets = self._store.secrets
        self.save_secrets = self._store.save_secrets
        self.points = self._store.points
        self._removed: deque[tuple[int, str]] = deque(maxlen=REMOVALS_KEPT)
        self._removed_jobs: deque[tuple[int, str]] = deque(maxlen=REMOVALS_KEPT)
        self._forgotten_rev = 0
        self._log_seq: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._logged = asyncio.Event()

    def touch(
        self, record: DeploymentRecord | OperationRecord | JobRecord, *, save: bool = True
    ) -> None:
        """Give a changed record a new revision and wake the readers.

        Args:
            record: What changed.
            save: False for changes that need not outlive the process, such as load.
        """
        self.rev += 1
        record.rev = self.rev
        if isinstance(record, DeploymentRecord):
            self.deployments[record.spec.name] = record
            if save:
                self._store.save_deployment(record)
        elif isinstance(record, JobRecord):
            self.jobs[record.spec.name] = record
            if save:
                self._store.save_job(record)
        else:
            self.operations[record.id] = record
            if len(self.operations) > OPERATIONS_KEPT:
                ended = (o.id for o in self.operations.values() if o.finished_at)
                self.operations.pop(next(ended, ""), None)
            if save:
                self._store.save_operation(record)
        self._wake()

    def remove(self, name: str) -> None:
        """Take a deployment out."""
        self.rev += 1
        del self.deployments[name]
        self._store.remove_deployment(name)
        self._log_seq.pop(name, None)
        self._note_removal(self._removed, name)

    def remove_job(self, record: JobRecord) -> None:
        """Take a job out."""
        self.rev += 1
        del self.jobs[record.spec.name]
        self._store.remove_job(record)
        self._log_seq.pop(job_key(record.id), None)
        self._note_removal(self._removed_jobs, record.spec.name)

    def save_points(self, record: JobRecord, points: list[JobPoint]) -> None:
        """Keep points of a job's curves; whoever calls touches the record too."""
        self._store.save_points(record.id, points)

    def _note_removal(self, removed: deque[tuple[int, str]], name: str) -> None:
        if len(removed) == removed.maxlen:
            self._forgotten_rev = max(self._forgotten_rev, removed[0][0])
        removed.append((self.rev, name))
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait_for_change(self, since: int, timeout: float) -> None:
        """Return when something is newer than ``since``, or after ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while self.rev <= since and (left := deadline - time.monotonic()) > 0:
            await _wait(self._changed, left)

    def snapshot(self, cluster: ClusterRecord, since: int | None, epoch: str) -> StateSnapshot:
        """Everything, or what changed since a revision of this epoch."""
        full = since is None or epoch != self.epoch or since < self._forgotten_rev
        floor = -1 if full or since is None else since
        horizon = time.time() - FINISHED_SHOWN_S
        return StateSnapshot(
            epoch=self.epoch,
            rev=self.rev,
            full=full,
            cluster=cluster,
            deployments=[d for d in self.deployments.values() if full or d.rev > floor],
            removed=[] if full else _gone(self._removed, floor, self.deployments),
            operations=[
                o
                for o in self.operations.values()
                if (o.finished_at is None or o.finished_at > horizon if full else o.rev > floor)
            ],
            jobs=[j for j in self.jobs.values() if full or j.rev > floor],
            removed_jobs=[] if full else _gone(self._removed_jobs, floor, self.jobs),
        )

    def write_log(self, deployment: str, worker: str, lines: list[tuple[float, str]]) -> None:
        """Append a worker's or a job's lines.

        Args:
            deployment: Whose log; of a job, its :func:`~byzer_lab.registry.store.job_key`.
            worker: Who wrote them.
            lines: Time (seconds since the epoch) and text of each.
        """
        seq = self._log_seq.get(deployment) or self._store.last_log_seq(deployment)
        numbered = [
            LogLine(seq + offset, when, worker, text)
            for offset, (when, text) in enumerate(lines, start=1)
        ]
        self._log_seq[deployment] = seq + len(lines)
        self._store.add_log(deployment, numbered)
        self._logged.set()
        self._logged = asyncio.Event()

    async def read_log(
        self, deployment: str, after: int, limit: int, timeout: float
    ) -> list[LogLine]:
        """Lines after a number, waiting up to ``timeout`` seconds for the first."""
        deadline = time.monotonic() + timeout
        while True:
            lines = self._store.log(deployment, after, limit)
            left = deadline - time.monotonic()
            if lines or left <= 0:
                return lines
            await _wait(self._logged, left)


async def _wait(event: asyncio.Event, timeout: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), timeout)
    except TimeoutError:
        return


def _gone(removed: Iterable[tuple[int, str]], floor: int, there: Container[str]) -> list[str]:
    """Names that were removed since a revision and are not there again."""
    return [name for rev, name in removed if rev > floor and name not in there]
