"""The one call that every face makes first."""

from __future__ import annotations

from collections.abc import Callable

from byzer_lab.cluster.launch import start_cluster
from byzer_lab.cluster.runtime import Runtime


def connect_cluster(
    address: str = "auto", *, progress: Callable[[str], None] | None = None
) -> Runtime:
    """Find the user's Byzer Lab, or start one on this machine.

    Looked for in this order: ``BYZER_LAB_URL``, the runtime file, a Ray address given here or in
    ``BYZER_LAB_RAY_ADDRESS``, a new embedded cluster.

    Args:
        address: ``auto``, or a Ray cluster to run on: ``HOST:PORT`` or ``ray://HOST:PORT``.
        progress: Called with a few words at each step of a start.

    Returns:
        Where it runs.

    Raises:
        ClusterError: There is none and none can be started; the sentence tells why.
    """
    return start_cluster(
        ray_address=None if address == "auto" else address, progress=progress or (lambda _: None)
    )
