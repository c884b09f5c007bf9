"""Processes of the tests' cluster."""

from __future__ import annotations

import contextlib
import time

import psutil

from byzer_lab.client.session import session
from byzer_lab.cluster import processes
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ClusterError


def actors(runtime: Runtime, kind: str) -> list[psutil.Process]:
    """Processes of Ray actors of a class."""
    assert runtime.pid is not None
    found = []
    for process in processes.session_members(runtime.pid):
        try:
            if process.name().startswith(f"ray::{kind}"):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def job_processes(runtime: Runtime) -> list[psutil.Process]:
    """Processes of jobs."""
    return actors(runtime, "TrainJob")


def kill_registry() -> None:
    """Kill the registry, and return once Ray has started it again."""
    gateway = session().gateway
    epoch = gateway.state().epoch
    (registry,) = actors(session().runtime, "Registry")
    registry.kill()
    registry.wait(10)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(ClusterError):  # it says that it is restarting
            if gateway.state().epoch != epoch:
                return
    raise AssertionError("the registry did not come back")
