"""Where vLLM's ranks run: in one process, beside it, or in the worker's placement group of Ray."""

from __future__ import annotations

import sys


def in_placement_group() -> bool:
    """Whether the worker is in a placement group of Ray."""
    if ray_address() is None:
        return False
    import ray

    return ray.util.get_current_placement_group() is not None


def ray_address() -> str | None:
    """Address of the Ray cluster that this process is part of; ``None`` outside one."""
    if "ray" not in sys.modules:
        return None
    import ray

    return str(ray.get_runtime_context().gcs_address) if ray.is_initialized() else None


def ray_folder() -> str | None:
    """Temporary folder of that cluster on this machine; ``None`` outside one."""
    if ray_address() is None:
        return None
    import ray

    return str(ray.get_runtime_context().get_temp_dir())


def executor_for(ranks: int, *, on_cpu: bool, in_group: bool) -> str | None:
    """How vLLM runs its ranks; ``None`` leaves it to vLLM.

    Args:
        ranks: GPUs, or processes of a model on processors.
        on_cpu: There are no GPUs.
        in_group: The worker is in a placement group, whose bundles have one GPU each.
    """
    if ranks == 1:
        return "uni" if on_cpu else None
    return "ray" if in_group and not on_cpu else "mp"
