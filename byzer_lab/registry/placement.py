"""What workers and jobs reserve in the Ray cluster, and whether it could ever give that."""

from __future__ import annotations

from collections.abc import Sequence

from byzer_lab.engines import BACKENDS
from byzer_lab.jobs import JobSpec
from byzer_lab.records import DeploymentSpec

Spec = DeploymentSpec | JobSpec

Amounts = dict[str, float]
"""Ray resources by name: ``CPU``, ``GPU`` and names of the cluster's own."""

_PLURALS = {"CPU": "CPUs", "GPU": "GPUs"}


def bundles(spec: Spec) -> list[Amounts]:
    """What one worker reserves; each item has to be on one node.

    A backend that spreads a model over GPUs by itself gets one bundle for each GPU, which may lie
    on several nodes; any other worker is on one node with all that it reserves.
    """
    whole = {"CPU": spec.cpus_per_worker, "GPU": spec.gpus_per_worker, **spec.resources}
    known = None if isinstance(spec, JobSpec) else BACKENDS.get(spec.backend)
    if known is None or not known.spreads or spec.gpus_per_worker < 2:
        return [whole]
    return [whole | {"GPU": 1.0}, *({"GPU": 1.0} for _ in range(int(spec.gpus_per_worker) - 1))]


def shortage(spec: Spec, nodes: Sequence[Amounts]) -> str | None:
    """Why an empty cluster could not hold all workers; ``None`` when it could.

    Args:
        spec: The deployment or the job.
        nodes: What each node has in all.
    """
    free = [dict(node) for node in nodes]
    for placed in range(spec.workers):
        if not all(_place(bundle, free) for bundle in bundles(spec)):
            wants = _words(bundles(spec))
            there = "; ".join(_have(spec, node) for node in nodes)
            if placed == 0:
                return (
                    f"One worker of {spec.name!r} wants {wants}, but the cluster's nodes have "
                    f"{there}; ask for less, or add a larger node."
                )
            return (
                f"{spec.name!r} wants {spec.workers} workers of {wants} each, but the cluster's "
                f"nodes have {there}, which is room for {placed}; ask for fewer, or add a node."
            )
    return None


def waiting_phase(spec: Spec, nodes: Sequence[Amounts], free: Amounts) -> str:
    """What a worker waits for that Ray has not placed yet: ``waiting for 1 GPU (0 of 2 free)``.

    A job's workers begin together: it waits for the sum.
    """
    needs = _needs(spec)
    if not needs:
        return "waiting for a place in the cluster"
    parts = []
    for name, need in needs.items():
        total = sum(node.get(name, 0.0) for node in nodes)
        parts.append(f"{_amount(name, need)} ({free.get(name, 0.0):g} of {total:g} free)")
    return f"waiting for {' and '.join(parts)}"


def has_room(spec: Spec, free: Amounts) -> bool:
    """Whether as much is free as a worker, or all of a job's workers together, want."""
    return all(free.get(name, 0.0) >= need for name, need in _needs(spec).items())


def _needs(spec: Spec) -> Amounts:
    return _total(bundles(spec) * (spec.workers if isinstance(spec, JobSpec) else 1))


def _place(bundle: Amounts, free: list[Amounts]) -> bool:
    """Take a bundle out of the first node that has it."""
    for node in free:
        if all(node.get(name, 0.0) >= need for name, need in bundle.items()):
            for name, need in bundle.items():
                node[name] = node.get(name, 0.0) - need
            return True
    return False


def _total(parts: list[Amounts]) -> Amounts:
    names = {name: None for part in parts for name in part}
    sums = {name: sum(part.get(name, 0.0) for part in parts) for name in names}
    return {name: need for name, need in sums.items() if need}


def _words(parts: list[Amounts]) -> str:
    return " and ".join(_amount(name, need) for name, need in _total(parts).items()) or "nothing"


def _have(spec: Spec, node: Amounts) -> str:
    names = ["CPU", "GPU", *spec.resources]
    return " and ".join(_amount(name, node.get(name, 0.0)) for name in names)


def _amount(name: str, amount: float) -> str:
    return f"{amount:g} {name if amount == 1 else _PLURALS.get(name, name)}"
