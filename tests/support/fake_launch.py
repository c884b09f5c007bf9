"""Stands in for ``byzer_lab.cluster.launch`` inside a test's Jupyter server: no Ray is started.

A start takes a moment and then announces the gateway that :func:`prepare_start` named; without
one it fails as a real start may fail.
"""

from __future__ import annotations

import time

import msgspec

from byzer_lab.cluster import launch
from byzer_lab.cluster.runtime import Runtime, read_runtime, remove_runtime, write_runtime
from byzer_lab.config import home, write_private
from byzer_lab.errors import ClusterError

PREPARED = "prepared.json"
TAKES_S = 0.6


def prepare_start(runtime: Runtime) -> None:
    """Say which gateway the next start shall announce."""
    write_private(home() / PREPARED, msgspec.json.encode(runtime).decode())


def install() -> None:
    """Replace the real functions in this process."""
    launch.start_cluster = _start_cluster
    launch.stop_cluster = _stop_cluster


def _start_cluster() -> Runtime:
    time.sleep(TAKES_S)
    prepared = home() / PREPARED
    if not prepared.exists():
        raise ClusterError("Ray's head did not start: port 6379 is taken.")
    runtime = msgspec.json.decode(prepared.read_bytes(), type=Runtime)
    write_runtime(runtime)
    return runtime


def _stop_cluster() -> bool:
    time.sleep(TAKES_S)
    was_running = read_runtime() is not None
    remove_runtime()
    return was_running
