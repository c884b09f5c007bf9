"""Bring a Byzer Lab up: a Ray head where none is given, then the registry and the gateway.

A short-lived process of its own (``python -m byzer_lab.cluster.bootstrap``), so that kernels and
servers never import Ray. It prints one JSON object per step: ``{"phase": ...}`` or
``{"error": ...}``, and writes the runtime file last.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from byzer_lab.cluster import processes
from byzer_lab.cluster.runtime import Runtime, remove_runtime, write_runtime, write_starting
from byzer_lab.config import NAMESPACE, home, write_private
from byzer_lab.errors import ByzerLabError, ClusterError, describe
from byzer_lab.registry.store import Store
from byzer_lab.web import bind

HEAD_TIMEOUT_S = 90.0
REACH_TIMEOUT_S = 5.0
OBJECT_STORE_BYTES = 200 * 1024 * 1024  # tokens never travel through it
FREE_DISK_BYTES = 500 * 1024 * 1024


def say(**step: str) -> None:
    """Tell the parent, if it is still there: a start that nobody waits for is finished all the
    same, and found by the next one."""
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(step), flush=True)


def ray_environment() -> dict[str, str]:
    """Environment of an embedded Ray: on loopback, token authentication on, no usage reports."""
    token_path = home() / "ray-token"
    if not token_path.exists():
        write_private(token_path, secrets.token_hex(32))
    return {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token_path),
        "RAY_USAGE_STATS_ENABLED": "0",
        # Despite its name it decides on Linux too: "0" makes a one-machine cluster of Ray, which
        # listens on loopback; otherwise Ray turns 127.0.0.1 into the machine's public address.
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        # Else Ray's memory grows with every worker that ever was, and with every call.
        "RAY_maximum_gcs_destroyed_actor_cached_count": "100",
        "RAY_task_events_report_interval_ms": "0",
    }


ON_THE_HEAD = {"node:__internal_head__": 0.001}
"""What Ray's head node alone has: no other node's loss may cost the gateway its address."""


class Head:
    """An embedded Ray head on loopback, in a session of its own that outlives its starter."""

    def __init__(self) -> None:
        if shutil.disk_usage(tempfile.gettempdir()).free < FREE_DISK_BYTES:
            raise ClusterError(
                f"Less than {FREE_DISK_BYTES >> 20} MiB are free in {tempfile.gettempdir()}; "
                "free some disk space, or set TMPDIR to a folder with more."
            )
        # Ray puts unix sockets below it, and their paths are limited to about 100 characters.
        self.temp_dir = tempfile.mkdtemp(prefix="byzer-")
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *("--node-ip-address=127.0.0.1", "--port=0", "--include-dashboard=false"),
            *("--include-log-monitor=false", f"--temp-dir={self.temp_dir}"),
            f"--object-store-memory={OBJECT_STORE_BYTES}",
            "--disable-usage-stats",
        ]
        self.log_path = home() / "ray-head.log"
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=home(),
                env={**os.environ, processes.MARK: self.temp_dir},
            )
        self.created = psutil.Process(self.process.pid).create_time()
        write_starting(self.runtime("", "", ""))

    def runtime(self, url: str, token: str, ray_address: str) -> Runtime:
        """What the runtime file says of it."""
        return Runtime(
            url=url,
            token=token,
            ray_address=ray_address,
            pid=self.process.pid,
            created=self.created,
            temp_dir=self.temp_dir,
        )

    def wait_for_address(self) -> str:
        """The head's address, once it has one."""
        deadline = time.monotonic() + HEAD_TIMEOUT_S
        announced = Path(self.temp_dir) / "ray_current_cluster"
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                if address := announced.read_text().strip():
                    return address
            if self.process.poll() is not None:
                raise ClusterError(f"Ray could not be started; its words are in {self.log_path}.")
            time.sleep(0.05)
        raise ClusterError(
            f"Ray was not up after {HEAD_TIMEOUT_S:g} s; its words are in {self.log_path}."
        )

    def undo(self) -> None:
        """End it and everything that it started."""
        processes.end_session(self.process.pid, self.created, self.temp_dir)
        shutil.rmtree(self.temp_dir, ignore_errors=True)
        remove_runtime()


def check_reachable(address: str) -> None:
    """Raise :class:`ClusterError` where nobody listens; Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH_TIMEOUT_S).close()
    except (OSError, ValueError) as error:
        raise ClusterError(
            f"There is no Ray cluster at {address!r} ({error}); give HOST:PORT as 'ray start' "
            "printed it, or ray://HOST:10001."
        ) from error


def connect(address: str) -> Any:
    """Ray, connected as a driver that neither logs nor prints."""
    import ray

    ray.init(
        address=address,
        namespace=NAMESPACE,
        log_to_driver=False,
        configure_logging=False,
        logging_level="ERROR",
    )
    return ray


def start_actors(ray: Any, port: int, token: str) -> tuple[str, str]:
    """Start registry and gateway where they don't run yet.

    Returns:
        URL and token of the gateway; an older one keeps its own.
    """
    from byzer_lab.gateway.actor import Gateway
    from byzer_lab.registry.actor import REGISTRY, Registry

    options = {
        "lifetime": "detached",
        "num_cpus": 0,
        "resources": ON_THE_HEAD,
        "max_restarts": -1,
        "max_concurrency": 1000,
    }
    say(phase="starting the registry")
    registry = (
        ray.remote(Registry)
        .options(name=REGISTRY, get_if_exists=True, max_task_retries=0, **options)
        .remote(str(home()), token)
    )
    ray.get(registry.ping.remote())
    say(phase="starting the gateway")
    gateway = (
        ray.remote(Gateway)
        .options(name="gateway", get_if_exists=True, max_task_retries=-1, **options)
        .remote(registry, port, token, str(home()))
    )
    address: tuple[str, str] = ray.get(gateway.address.remote())
    return address


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="byzer_lab.cluster.bootstrap")
    parser.add_argument("--ray-address", default="")
    parser.add_argument("--port", type=int, default=0)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    head: Head | None = None
    try:
        # Fixed before the gateway starts, so that a restarted one listens there again.
        with contextlib.closing(bind("127.0.0.1", arguments.port)) as probe:
            port = probe.getsockname()[1]
        token = secrets.token_urlsafe(32)
        if arguments.ray_address:
            say(phase=f"connecting to Ray at {arguments.ray_address}")
            check_reachable(arguments.ray_address)
            ray = connect(arguments.ray_address)
        else:
            Store(home() / "registry.db").close()  # a damaged one is told now, in a sentence
            say(phase="starting Ray")
            os.environ.update(ray_environment())
            head = Head()
            import ray as _ray  # noqa: F401  (1.5 s, while the head starts)

            ray = connect(head.wait_for_address())
        url, token = start_actors(ray, port, token)
        address = arguments.ray_address or ray.get_runtime_context().gcs_address
        write_runtime(
            head.runtime(url, token, address)
            if head
            else Runtime(url=url, token=token, ray_address=address)
        )
        say(phase="ready")
        ray.shutdown()
    except BaseException as error:
        for undisturbed in (signal.SIGINT, signal.SIGTERM):
            signal.signal(undisturbed, signal.SIG_IGN)  # what undoes must not be undone
        if head:
            head.undo()
        if not isinstance(error, Exception):
            raise
        say(error=error.message if isinstance(error, ByzerLabError) else describe(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
