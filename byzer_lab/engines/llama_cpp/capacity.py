"""How large the key-value cache may be, and how many threads may work.

The library takes the memory of the cache without asking whether it is there: the process would be
killed. So its size is computed first.
"""

from __future__ import annotations

import os

import psutil

from byzer_lab.errors import InvalidRequestError

# A request is rarely as long as a large window: plan for this many tokens of each at a time.
_TOKENS_PER_REQUEST = 4096
# Memory is shared with other workers and people; what was asked for by name may take more of it.
_SHARE_OF_FREE_MEMORY = 0.2
_SHARE_WHEN_ASKED = 0.9


def size_cache(
    wanted: int | None,
    window: int,
    concurrency: int,
    bytes_per_token: float,
    *,
    window_asked: bool,
    on_gpu: bool,
) -> int:
    """Tokens that the cache of all requests holds.

    Args:
        wanted: The deployment's own number; it is kept.
        window: Context window of one request, in tokens.
        concurrency: Requests at a time.
        bytes_per_token: Memory of one token in the cache.
        window_asked: The deployment sets the window; the cache must hold it.
        on_gpu: The cache is on a GPU, whose driver refuses what doesn't fit.

    Raises:
        InvalidRequestError: A cache of the wanted size, or of the wanted window, doesn't fit into
            memory.
    """
    free = int(psutil.virtual_memory().available)
    needed = wanted or (window if window_asked else 0)
    if not on_gpu and needed * bytes_per_token > free * _SHARE_WHEN_ASKED:
        cause = "kv_cache_tokens" if wanted else "n_ctx"
        fitting = int(free * _SHARE_WHEN_ASKED / bytes_per_token)
        raise InvalidRequestError(
            f"A key-value cache of {needed} tokens takes {needed * bytes_per_token / 1e9:.1f} GB, "
            f"but {free / 1e9:.1f} GB are free. Set {cause} to at most {fitting}."
        )
    if wanted is not None:
        return wanted
    useful = max(window, concurrency * min(window, _TOKENS_PER_REQUEST))
    affordable = int(free * _SHARE_OF_FREE_MEMORY / bytes_per_token)
    return max(needed, min(useful, affordable))


def default_threads() -> int:
    """Threads of a worker: OMP_NUM_THREADS where it is set (the cluster sets it to a worker's
    share), else half of the usable cores, so that two workers on one machine don't fight."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdigit() and int(told) > 0:
        return int(told)
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)) // 2)
    return max(1, (os.cpu_count() or 1) // 2)
