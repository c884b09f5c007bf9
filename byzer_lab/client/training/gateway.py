"""The control API's part about jobs as Python calls; see docs/http-api.md."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from byzer_lab.client.http import path_of
from byzer_lab.config import absolute_path
from byzer_lab.jobs import JobPoint, JobRecord, JobSpec
from byzer_lab.records import LogLine
from byzer_lab.secrets import conceal

T = TypeVar("T")
WAIT_S = 20.0
"""How long the gateway may hold an answer back until something changed."""
_READ = ("model_path", "data_path")
_MADE = ("folder", "path_prefix")


class PointsPage(msgspec.Struct):
    """Answer of the points call."""

    points: list[JobPoint]


class LogPage(msgspec.Struct):
    """Answer of the log call."""

    lines: list[LogLine]
    next: int


class JobGateway:
    """The calls; mixed into :class:`byzer_lab.client.gateway.GatewayClient`."""

    def submit_job(
        self, spec: JobSpec, *, secrets: dict[str, str], replace: bool = False
    ) -> JobRecord:
        """Begin a job.

        Args:
            spec: What to do; relative paths are this process's. Without a name it gets one. A
                secret that is written down in it is sent among the secrets.
            secrets: Values of its ``${NAME}`` references.
            replace: Forget a job of that name that has ended.

        Raises:
            InvalidRequestError: Something in it is wrong, or no node can hold it.
            ConflictError: The name or the folder is taken.
        """
        parameters, written = conceal(spec.parameters)
        paths = {name: absolute_path(getattr(spec, name)) for name in _READ}
        paths |= {name: path_to_be(path) for name in _MADE if (path := getattr(spec, name))}
        spec = msgspec.structs.replace(spec, parameters=parameters, **paths)
        body = {"spec": spec, "secrets": {**secrets, **written}, "replace": replace}
        return self._call("POST", "/api/jobs", JobRecord, json=body)

    def job(self, name: str, *, since: int = -1, wait: float = 0.0) -> JobRecord:
        """One job.

        Args:
            name: Its name.
            since: Revision that is known already.
            wait: Seconds to wait for a newer one; not where the job has ended.
        """
        params = {"since": since, "wait": wait}
        return self._call("GET", _path(name), JobRecord, params=params)

    def watch_job(self, record: JobRecord) -> Iterator[JobRecord]:
        """Yield a job and each change of it until it ended; the last one is its end."""
        yield record
        while record.finished_at is None:
            record = self.job(record.spec.name, since=record.rev, wait=WAIT_S)
            yield record

    def job_points(self, name: str, *, after: int = -1) -> list[JobPoint]:
        """A job's curves after a step."""
        return self._call("GET", _path(name, "/points"), PointsPage, params={"after": after}).points

    def job_log(
        self, name: str, *, after: int = 0, limit: int = 1000, wait: float = 0.0
    ) -> list[LogLine]:
        """Lines of a job's log; arguments as of
        :meth:`byzer_lab.client.gateway.GatewayClient.log`."""
        params = {"after": after, "limit": limit, "wait": wait}
        return self._call("GET", _path(name, "/log"), LogPage, params=params).lines

    def stop_job(self, name: str) -> JobRecord:
        """Let a job save what it has and end."""
        return self._call("POST", _path(name, "/stop"), JobRecord)

    def cancel_job(self, name: str) -> JobRecord:
        """End a job; what takes no notice for 20 s is killed."""
        return self._call("POST", _path(name, "/cancel"), JobRecord)

    def resume_job(self, name: str) -> JobRecord:
        """Let a job that has ended go on from its newest checkpoint."""
        return self._call("POST", _path(name, "/resume"), JobRecord)

    def delete_job(self, name: str, *, files: bool = False, force: bool = False) -> JobRecord:
        """Forget a job.

        Args:
            name: Its name.
            files: Delete its folder too.
            force: Where it has not ended, end it at once.
        """
        params = {"files": _word(files), "force": _word(force)}
        return self._call("DELETE", _path(name), JobRecord, params=params)

    def _call(self, method: str, path: str, kind: type[T], json: Any = None, **rest: Any) -> T:
        raise NotImplementedError


def path_to_be(path: str) -> str:
    """A path of something that need not be there yet, as other processes understand it."""
    return os.path.abspath(os.path.expanduser(path))


def _word(value: bool) -> str:
    return "true" if value else "false"


_path = functools.partial(path_of, "job")
