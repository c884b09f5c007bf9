"""Calls of the registry, whose answers are JSON."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import ClusterError

if TYPE_CHECKING:
    from ray.actor import ActorHandle

REGISTRY_RESTART_S = 10.0
"""A registry that died is restarted by Ray; readers wait that long for it."""


async def change(registry: ActorHandle, method: str, *args: Any) -> Any:
    """Call once: a change whose answer was lost must not be made twice.

    Returns:
        Status and body, as :class:`byzer_lab.registry.answers.Answer`.

    Raises:
        ClusterError: The registry is restarting.
    """
    import ray

    try:
        return await getattr(registry, method).remote(*args)
    except ray.exceptions.RayActorError as error:
        raise ClusterError(
            "The registry is restarting; look at the state in a few seconds, then try again."
        ) from error


async def read(registry: ActorHandle, method: str, *args: Any) -> Any:
    """Call, and again while the registry restarts."""
    deadline = time.monotonic() + REGISTRY_RESTART_S
    while True:
        try:
            return await change(registry, method, *args)
        except ClusterError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
