"""HTTP as Byzer Lab's clients speak it."""

from __future__ import annotations

from typing import Any

import httpx

from byzer_lab.bounds import NAME_PATTERN
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ByzerLabError, ClusterError, NotFoundError
from byzer_lab.worker_calls import http_options


def options(runtime: Runtime) -> dict[str, Any]:
    """Arguments of an httpx client that talks to this cluster."""
    return http_options(runtime.token, tls=runtime.url.startswith("https:"))


def unreachable(url: str, error: httpx.HTTPError) -> ClusterError:
    """The gateway can't be reached."""
    return ClusterError(
        f"Byzer Lab at {url} can't be reached ({str(error) or type(error).__name__}); "
        "'byzer-lab status' tells whether it runs, 'byzer-lab up' starts it."
    )


def path_of(
    thing: str, name: str, rest: str = "", *, missing: type[ByzerLabError] = NotFoundError
) -> str:
    """Path of a ``thing``, such as a job, in the control API.

    Raises:
        ByzerLabError: None can have that name, and a path could mean another page.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise missing(
            f"There is no {thing} {name!r}; names have letters, digits, '.', '_' and '-' only."
        )
    return f"/api/{thing}s/{name}{rest}"
