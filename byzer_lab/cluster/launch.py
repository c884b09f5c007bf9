"""Start, find and stop the user's Byzer Lab. No Ray in this process: the work is done in
``byzer_lab.cluster.bootstrap``, a process of its own."""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

from byzer_lab.cluster import processes
from byzer_lab.cluster.runtime import (
    Runtime,
    read_runtime,
    read_starting,
    remove_runtime,
    runtime_path,
)
from byzer_lab.config import home
from byzer_lab.errors import ClusterError

Progress = Callable[[str], None]

HEALTH_TIMEOUT_S = 2.0
RESTART_GRACE_S = 15.0
"""A gateway that died is restarted by Ray within seconds; only then is a cluster called lost."""


def answers(runtime: Runtime) -> bool:
    """Whether a gateway of ours answers at that URL."""
    # The standard library's client: every magic asks, and an httpx client costs 20 ms to make.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{runtime.url}/health", timeout=HEALTH_TIMEOUT_S) as reply:
            return bool(json.load(reply).get("service") == "byzer-lab")
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        return False


def has_ended(runtime: Runtime) -> bool:
    """Whether the embedded head of that cluster is gone, as far as this machine can tell."""
    here = runtime.host == socket.gethostname()
    known = here and runtime.pid is not None
    return known and not processes.is_alive(runtime.pid or 0, runtime.created)


def find_cluster(grace_s: float = RESTART_GRACE_S) -> Runtime | None:
    """The running Byzer Lab, or ``None``. A runtime file whose cluster is gone counts as none.

    Args:
        grace_s: How long to wait for a gateway whose head still lives.

    Raises:
        ClusterError: A cluster is named (by the environment, or by a head that lives) that
            doesn't answer.
    """
    runtime = read_runtime()
    if runtime is None or has_ended(runtime):
        return None  # a gateway may outlive its head for some seconds, but nothing can be deployed
    if answers(runtime):
        return runtime
    if runtime.host != socket.gethostname():
        raise ClusterError(
            f"{home()} is used by a Byzer Lab on {runtime.host}, which can't be reached from here; "
            "set BYZER_LAB_HOME to another folder on this machine."
        )
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline:
        time.sleep(0.3)
        if answers(runtime):
            return runtime
    raise ClusterError(
        f"Byzer Lab at {runtime.url} doesn't answer; run 'byzer-lab down', then start it again."
    )


def start_cluster(
    ray_address: str | None = None, port: int | None = None, progress: Progress = lambda _: None
) -> Runtime:
    """Find the user's Byzer Lab, or start one. Safe to call from several programs at once.

    Args:
        ray_address: Run on this Ray cluster (``HOST:PORT``, ``ray://HOST:PORT`` or ``auto``)
            instead of an embedded one; default ``BYZER_LAB_RAY_ADDRESS``.
        port: Port of the gateway; default ``BYZER_LAB_PORT``, else a free one.
        progress: Called with a few words at each step.

    Returns:
        The running one.

    Raises:
        ClusterError: It can't be started; the sentence tells why.
    """
    with _exclusively() as lock:
        found = find_cluster()
        if found:
            if ray_address and ray_address != found.ray_address:
                raise ClusterError(
                    f"Byzer Lab already runs, on the Ray cluster {found.ray_address or '?'} and "
                    f"not on {ray_address}; 'byzer-lab down' first, or set another BYZER_LAB_HOME."
                )
            return found
        _clear_leftovers()
        ray_address = ray_address or os.environ.get("BYZER_LAB_RAY_ADDRESS") or ""
        port = port if port is not None else _port_wanted()
        _bootstrap(ray_address, port, progress, lock)
        runtime = read_runtime()
        assert runtime is not None
        return runtime


def stop_cluster() -> bool:
    """Stop the embedded Byzer Lab with every process of it. Deployments come back at next start.

    Returns:
        Whether one was running.

    Raises:
        ClusterError: It runs on a Ray cluster that isn't ours to stop.
    """
    with _exclusively():
        runtime = read_runtime()
        if runtime is None:
            remove_runtime()  # it may be there and damaged
            return False
        if runtime.pid is None and not answers(runtime) and not os.environ.get("BYZER_LAB_URL"):
            remove_runtime()
            return False
        if runtime.pid is None:
            raise ClusterError(
                f"Byzer Lab at {runtime.url} runs on the Ray cluster {runtime.ray_address or '?'}, "
                "which was not started by Byzer Lab; stop that cluster where it was started."
            )
        was_running = processes.is_alive(runtime.pid, runtime.created)
        _clear_leftovers()
        return was_running


def _clear_leftovers() -> None:
    """End what is left of the head that the runtime file names, and forget it."""
    for runtime in (read_runtime(), read_starting()):
        if runtime is not None and runtime.pid is not None:
            processes.end_session(runtime.pid, runtime.created, runtime.temp_dir)
            shutil.rmtree(runtime.temp_dir, ignore_errors=True)
    remove_runtime()


def _port_wanted() -> int:
    text = os.environ.get("BYZER_LAB_PORT") or "0"
    if not text.isdigit() or int(text) > 65535:
        raise ClusterError(f"BYZER_LAB_PORT is {text!r}; it must be a port from 1 to 65535.")
    return int(text)


@contextlib.contextmanager
def _exclusively() -> Iterator[int]:
    """One start or stop at a time; the others wait and then find its result.

    Yields:
        The lock's file descriptor: a start goes on holding it when its caller is killed.
    """
    with (home() / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock.fileno()


def _bootstrap(ray_address: str, port: int, progress: Progress, lock: int) -> None:
    command = [sys.executable, "-m", "byzer_lab.cluster.bootstrap"]
    command += ["--ray-address", ray_address, "--port", str(port)]
    log_path = home() / "bootstrap.log"
    failure = ""
    with log_path.open("w") as log:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # a kernel's interrupt goes to its whole process group
            pass_fds=(lock,),
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if not line.startswith("{"):  # a step is a JSON object; this a library printed
                    log.write(line)
                    continue
                step = json.loads(line)
                failure = step.get("error", "")
                progress(step.get("phase", ""))
            code = process.wait()
        except BaseException:
            process.send_signal(signal.SIGTERM)  # it undoes what it began
            process.wait()
            raise
    if failure:
        raise ClusterError(failure)
    if code != 0 or not runtime_path().exists():
        raise ClusterError(f"Byzer Lab could not be started; the whole story is in {log_path}.")
