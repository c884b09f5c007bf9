"""HTTP as Byzer Lab's clients speak it: the token, and errors as they were raised over there."""

from __future__ import annotations

from typing import Any, TypeVar

import httpx
import msgspec

from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ByzerLabError, ClusterError, from_wire

T = TypeVar("T")
CONNECT_TIMEOUT_S = 5.0


def options(runtime: Runtime) -> dict[str, Any]:
    """Arguments of an httpx client that talks to this cluster.

    Proxies of the environment are not used: the cluster is on this machine or network.
    """
    return {
        "headers": {"Authorization": f"Bearer {runtime.token}"},
        "timeout": httpx.Timeout(None, connect=CONNECT_TIMEOUT_S),
        "limits": httpx.Limits(max_connections=None, max_keepalive_connections=128),
        "trust_env": False,
        "verify": runtime.url.startswith("https:"),  # without TLS its 20 ms of set-up are wasted
    }


def raise_for_error(status: int, body: bytes) -> None:
    """Raise the error that a server of ours answered with; only 2xx is none."""
    if 200 <= status < 300:
        return
    try:
        raise from_wire(msgspec.json.decode(body)["error"])
    except (msgspec.DecodeError, KeyError, TypeError):
        raise ByzerLabError(f"The server answered with status {status}.") from None


def unreachable(url: str, error: httpx.HTTPError) -> ClusterError:
    """The gateway can't be reached."""
    return ClusterError(
        f"Byzer Lab at {url} can't be reached ({str(error) or type(error).__name__}); "
        "'byzer-lab status' tells whether it runs, 'byzer-lab up' starts it."
    )
