"""The one call that every face makes first."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from byzer_lab.cluster.launch import start_cluster
from byzer_lab.cluster.runtime import Runtime, read_runtime


def connect_cluster(
    address: str = "auto", *, progress: Callable[[str], None] | None = None
) -> Runtime:
    """Find the user's Byzer Lab, or start one on this machine.

    Looked for in this order: ``BYZER_LAB_URL``, the runtime file, a Ray address given here or in
    ``BYZER_LAB_RAY_ADDRESS``, the Ray cluster that this process is connected to by ``ray.init``, a
    new embedded cluster.

    Args:
        address: ``auto``, or a Ray cluster to run on: ``HOST:PORT`` or ``ray://HOST:PORT``.
        progress: Called with a few words at each step of a start.

    Returns:
        Where it runs.

    Raises:
        ClusterError: There is none and none can be started; the sentence tells why.
    """
    if address == "auto":
        known = read_runtime() is not None or "BYZER_LAB_RAY_ADDRESS" in os.environ
        ray_address = None if known else _own_ray()
    else:
        ray_address = address
    return start_cluster(ray_address=ray_address, progress=progress or (lambda _: None))


def _own_ray() -> str | None:
    """Address of the Ray cluster that this process is connected to."""
    ray = sys.modules.get("ray")  # not imported for this: it costs more than a second
    if ray is None or not ray.is_initialized():
        return None
    address: str = ray.get_runtime_context().gcs_address
    return address
