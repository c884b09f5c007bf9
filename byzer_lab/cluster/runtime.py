"""The runtime file: where the user's Byzer Lab listens, and the token that opens it."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import msgspec

from byzer_lab.config import home, write_private
from byzer_lab.errors import ClusterError


class Runtime(msgspec.Struct, kw_only=True):
    """A running Byzer Lab.

    Attributes:
        url: URL of the gateway.
        token: Bearer token of gateway and workers.
        ray_address: Address of the Ray head.
        pid: Process that leads the embedded head's session; ``None`` on somebody else's Ray.
        created: When that process was created (seconds since the epoch), against reused pids.
        temp_dir: Ray's folder of the embedded head, removed with it. Its processes carry the name
            in their environment.
        host: The machine that it was started on: the file may lie on a shared disk.
    """

    url: str
    token: str
    ray_address: str = ""
    pid: int | None = None
    created: float = 0.0
    temp_dir: str = ""
    host: str = msgspec.field(default_factory=socket.gethostname)

    def __repr__(self) -> str:  # a notebook shows the value of a cell; the token is not for it
        return f"Runtime(url={self.url!r}, ray_address={self.ray_address!r})"


def runtime_path() -> Path:
    """Where the runtime file is."""
    return home() / "runtime.json"


def read_runtime() -> Runtime | None:
    """The Byzer Lab that the environment or the runtime file names; ``None`` when neither does.

    Raises:
        ClusterError: A URL is set without its token.
    """
    url = os.environ.get("BYZER_LAB_URL")
    if url:
        token = os.environ.get("BYZER_LAB_TOKEN")
        if not token:
            raise ClusterError("BYZER_LAB_URL is set but BYZER_LAB_TOKEN is not; set both.")
        return Runtime(url=url.rstrip("/"), token=token)
    return _read(runtime_path())


def write_runtime(runtime: Runtime) -> None:
    """Announce a running Byzer Lab, to this user only."""
    write_private(runtime_path(), msgspec.json.encode(runtime).decode())
    starting_path().unlink(missing_ok=True)


def remove_runtime() -> None:
    """Forget it."""
    runtime_path().unlink(missing_ok=True)
    starting_path().unlink(missing_ok=True)


def starting_path() -> Path:
    """Where a head is noted that is not announced yet."""
    return home() / "starting.json"


def write_starting(runtime: Runtime) -> None:
    """Note a head that is being started, for whoever clears up after a start that was killed."""
    write_private(starting_path(), msgspec.json.encode(runtime).decode())


def read_starting() -> Runtime | None:
    """The head that a killed start left behind."""
    return _read(starting_path())


def _read(path: Path) -> Runtime | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Runtime)
    except (FileNotFoundError, msgspec.DecodeError):  # a damaged file names nobody
        return None
