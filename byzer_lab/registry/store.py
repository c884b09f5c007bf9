"""The registry's memory on disk: SQLite in WAL mode, one JSON document per record.

Only what must outlive the registry's process is here: what was asked for, how operations ended,
which workers exist, their logs, and jobs with all that they tell. A deployment's load and progress
are not. Secrets and logs of a job lie with those of the deployments, under :func:`job_key`.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from byzer_lab.errors import ClusterError
from byzer_lab.jobs import JobPoint, JobRecord
from byzer_lab.records import DeploymentRecord, LogLine, OperationRecord

LOG_LINES_KEPT = 5_000
OPERATIONS_KEPT = 500

SCHEMA = """
create table if not exists deployments (name text primary key, record blob not null);
create table if not exists operations (
    id text primary key, created_at real not null, record blob not null);
create table if not exists logs (
    deployment text not null, seq integer not null, time real not null,
    worker text not null, text text not null, primary key (deployment, seq)
) without rowid;
create table if not exists secrets (
    deployment text not null, name text not null, value text not null,
    primary key (deployment, name)) without rowid;
create table if not exists jobs (name text primary key, record blob not null);
create table if not exists job_points (
    job text not null, step integer not null, point blob not null, primary key (job, step)
) without rowid;
"""


def job_key(job_id: str) -> str:
    """Under which a job's secrets and log lie; no deployment can have that name."""
    return f"job:{job_id}"


class Store:
    """Reads and writes the registry's database.

    Args:
        path: The database file; made, readable by its owner only, where it is missing.

    Raises:
        ClusterError: The file can't be read.
    """

    def __init__(self, path: Path) -> None:
        try:
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.executescript(SCHEMA)
            self.deployments()
            self.jobs()
        except (OSError, sqlite3.DatabaseError, msgspec.DecodeError) as error:
            raise ClusterError(
                f"The registry's database {path} can't be used ({error}); move it away, and deploy "
                "again what it held."
            ) from error

    def deployments(self) -> list[DeploymentRecord]:
        """All of them, oldest first."""
        rows = self._db.execute("select record from deployments").fetchall()
        records = [msgspec.json.decode(row[0], type=DeploymentRecord) for row in rows]
        return sorted(records, key=lambda record: record.created_at)

    def save_deployment(self, record: DeploymentRecord) -> None:
        """Insert or replace one."""
        self._db.execute(
            "insert or replace into deployments values (?, ?)",
            (record.spec.name, msgspec.json.encode(record)),
        )

    def remove_deployment(self, name: str) -> None:
        """Forget one, with its secrets and its log."""
        self._db.execute("delete from deployments where name = ?", (name,))
        self._db.execute("delete from secrets where deployment = ?", (name,))
        self._db.execute("delete from logs where deployment = ?", (name,))

    def secrets(self, name: str) -> dict[str, str]:
        """The secrets that a deployment's parameters refer to."""
        rows = self._db.execute("select name, value from secrets where deployment = ?", (name,))
        return dict(rows.fetchall())

    def save_secrets(self, name: str, values: dict[str, str]) -> None:
        """Replace a deployment's secrets."""
        self._db.execute("delete from secrets where deployment = ?", (name,))
        rows = [(name, key, value) for key, value in values.items()]
        self._db.executemany("insert into secrets values (?, ?, ?)", rows)

    def operations(self) -> list[OperationRecord]:
        """The latest ones, oldest first."""
        rows = self._db.execute(
            "select record from operations order by created_at desc limit ?", (OPERATIONS_KEPT,)
        ).fetchall()
        return [msgspec.json.decode(row[0], type=OperationRecord) for row in reversed(rows)]

    def save_operation(self, record: OperationRecord) -> None:
        """Insert or replace one; the oldest are forgotten."""
        self._db.execute(
            "insert or replace into operations values (?, ?, ?)",
            (record.id, record.created_at, msgspec.json.encode(record)),
        )
        self._db.execute(
            "delete from operations where created_at < (select min(created_at) from "
            "(select created_at from operations order by created_at desc limit ?))",
            (OPERATIONS_KEPT,),
        )

    def last_log_seq(self, deployment: str) -> int:
        """Number of the newest line; 0 when there is none."""
        row = self._db.execute(
            "select max(seq) from logs where deployment = ?", (deployment,)
        ).fetchone()
        return int(row[0] or 0)

    def add_log(self, deployment: str, lines: Iterable[LogLine]) -> None:
        """Append lines; the oldest beyond :data:`LOG_LINES_KEPT` are dropped."""
        rows = [(deployment, line.seq, line.time, line.worker, line.text) for line in lines]
        if not rows:
            return
        self._db.executemany("insert into logs values (?, ?, ?, ?, ?)", rows)
        self._db.execute(
            "delete from logs where deployment = ? and seq <= ?",
            (deployment, rows[-1][1] - LOG_LINES_KEPT),
        )

    def log(self, deployment: str, after: int, limit: int) -> list[LogLine]:
        """Lines after a number; a negative number means that many from the end."""
        if after < 0:
            after = max(0, self.last_log_seq(deployment) + after)
        rows = self._db.execute(
            "select seq, time, worker, text from logs where deployment = ? and seq > ? "
            "order by seq limit ?",
            (deployment, after, limit),
        ).fetchall()
        return [LogLine(*row) for row in rows]

    def jobs(self) -> list[JobRecord]:
        """All of them, oldest first."""
        rows = self._db.execute("select record from jobs").fetchall()
        records = [msgspec.json.decode(row[0], type=JobRecord) for row in rows]
        return sorted(records, key=lambda record: record.created_at)

    def save_job(self, record: JobRecord) -> None:
        """Insert or replace one."""
        self._db.execute(
            "insert or replace into jobs values (?, ?)",
            (record.spec.name, msgspec.json.encode(record)),
        )

    def remove_job(self, record: JobRecord) -> None:
        """Forget one, with its secrets, its points and its log."""
        key = job_key(record.id)
        self._db.execute("delete from jobs where name = ?", (record.spec.name,))
        self._db.execute("delete from secrets where deployment = ?", (key,))
        self._db.execute("delete from logs where deployment = ?", (key,))
        self._db.execute("delete from job_points where job = ?", (record.id,))

    def save_points(self, job_id: str, points: Iterable[JobPoint]) -> None:
        """Keep points; one of a step that is there already adds its figures to it."""
        for point in points:
            row = self._db.execute(
                "select point from job_points where job = ? and step = ?", (job_id, point.step)
            ).fetchone()
            if row:
                point = joined(msgspec.json.decode(row[0], type=JobPoint), point)
            self._db.execute(
                "insert or replace into job_points values (?, ?, ?)",
                (job_id, point.step, msgspec.json.encode(point)),
            )

    def points(self, job_id: str, after: int, limit: int) -> list[JobPoint]:
        """A job's points after a step, in their order."""
        rows = self._db.execute(
            "select point from job_points where job = ? and step > ? order by step limit ?",
            (job_id, after, limit),
        ).fetchall()
        return [msgspec.json.decode(row[0], type=JobPoint) for row in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def joined(older: JobPoint, newer: JobPoint) -> JobPoint:
    """A point with the newer one's figures, and the older one's where it has none."""
    left_open = JobPoint(step=-1)
    told = {
        name: value
        for name in newer.__struct_fields__
        if (value := getattr(newer, name)) != getattr(left_open, name)
    }
    return msgspec.structs.replace(older, **told)
