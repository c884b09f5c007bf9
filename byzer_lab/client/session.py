"""This process's connection to its Byzer Lab, shared by everything in it."""

from __future__ import annotations

import os
import threading

from byzer_lab.client.data_plane import DataPlane
from byzer_lab.client.gateway import GatewayClient
from byzer_lab.cluster.connect import connect_cluster
from byzer_lab.cluster.launch import answers, has_ended
from byzer_lab.cluster.runtime import Runtime, read_runtime
from byzer_lab.routing import Router


class Session:
    """A connection to one cluster.

    Args:
        runtime: The cluster.

    Attributes:
        runtime: The cluster.
        gateway: Control calls.
        router: Chooses workers.
        data_plane: Requests to models.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.gateway = GatewayClient(runtime)
        self.router = Router(self.gateway.route)
        self.data_plane = DataPlane(runtime, self.router)

    def close(self) -> None:
        """Close its connections."""
        self.gateway.close()
        self.data_plane.close()


_lock = threading.Lock()
_current: Session | None = None


def _forget() -> None:
    """Begin anew in a forked child: connections shared with the parent would mix up answers."""
    global _lock, _current
    _lock, _current = threading.Lock(), None


os.register_at_fork(after_in_child=_forget)


def session(address: str = "auto") -> Session:
    """The connection; made on first use, and again when the cluster was started anew.

    Args:
        address: See :func:`~byzer_lab.cluster.connect.connect_cluster`.

    Raises:
        ClusterError: There is no cluster and none can be started.
    """
    global _current
    with _lock:
        if _current is None or _current.runtime != read_runtime() or has_ended(_current.runtime):
            runtime = connect_cluster(address)
            if _current is not None:
                _current.close()
            _current = Session(runtime)
        return _current


def existing_session() -> Session | None:
    """The connection where a cluster runs; never starts one."""
    runtime = read_runtime()
    running = runtime is not None and not has_ended(runtime) and answers(runtime)
    return session() if running else None
