"""Names and amounts that a spec may have; deployments and jobs share them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from byzer_lab.errors import InvalidRequestError

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")

_RESOURCE = re.compile(r"(?!(CPU|GPU|memory|object_store_memory)$)(?!node:)[^\s:]+(:\S+)?")
"""Names of a cluster's own resources; the others are Ray's."""

Bound = tuple[str, float, float, float]
"""A field, its value, the least and the most that it may be."""


def check_name(name: str, thing: str) -> None:
    """Raise :class:`InvalidRequestError` for what can't name a ``thing``, such as a job."""
    if not NAME_PATTERN.fullmatch(name):
        raise InvalidRequestError(
            f"{name!r} can't name a {thing}: use 1 to 63 letters, digits, '.', '_' or "
            "'-', beginning with a letter or a digit."
        )


def check_bounds(bounds: Iterable[Bound]) -> None:
    """Raise :class:`InvalidRequestError` for the first value that is out of its bounds."""
    for field, value, low, high in bounds:
        if not low <= value <= high:
            raise InvalidRequestError(
                f"{field} is {value:.10g}; it must be from {low:.10g} to {high:.10g}."
            )


def check_reservation(cpus: float, gpus: float, resources: Mapping[str, float]) -> None:
    """Raise :class:`InvalidRequestError` for what one worker can't reserve of a Ray cluster."""
    check_bounds(
        [
            ("cpus_per_worker", cpus, 0, 10_000),
            ("gpus_per_worker", gpus, 0, 1_000),
            *((f"resources[{name!r}]", need, 0, 1e9) for name, need in resources.items()),
        ]
    )
    if gpus > 1 and gpus % 1:
        raise InvalidRequestError(
            f"gpus_per_worker is {gpus:g}; above 1 it must be a whole number: workers share one "
            "GPU, but no part of several."
        )
    for resource in resources:
        if not _RESOURCE.fullmatch(resource):
            raise InvalidRequestError(
                f"{resource!r} can't be reserved as a resource: it must be a name that nodes "
                "of the Ray cluster were given; CPUs and GPUs have settings of their own."
            )
