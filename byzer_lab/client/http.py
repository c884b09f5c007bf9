"""HTTP as Byzer Lab's clients speak it."""

from __future__ import annotations

from typing import Any

import httpx

from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ClusterError
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
