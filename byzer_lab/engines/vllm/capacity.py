"""How large the key-value cache on a processor may be.

On a GPU vLLM takes the share of its memory that ``gpu_memory_utilization`` says. A processor's
memory is shared with other workers and people, and the same share of it would be most of a machine.
"""

from __future__ import annotations

from typing import Any

import psutil

GIB = 2**30
# A request is rarely as long as a large window: plan for this many tokens of each at a time.
_TOKENS_PER_REQUEST = 1024
_SHARE_OF_FREE_MEMORY = 0.2
# Blocks that vLLM keeps for itself, and the last one of each request, which is seldom full.
_SPARE_BLOCKS = 2
_BLOCK = 128


def cache_bytes(config: Any, concurrency: int, wanted_gib: float | None) -> int:
    """Size of one rank's cache in bytes.

    Args:
        config: vLLM's configuration.
        concurrency: Most requests at a time.
        wanted_gib: The deployment's own size; it is kept.
    """
    if wanted_gib is not None:
        return int(wanted_gib * GIB)
    model = config.model_config
    window = int(model.max_model_len)
    useful = max(window, concurrency * min(window, _TOKENS_PER_REQUEST))
    blocks = -(-useful // _BLOCK) + _SPARE_BLOCKS + concurrency
    ranks = int(config.parallel_config.world_size)
    budget = int(psutil.virtual_memory().available * _SHARE_OF_FREE_MEMORY / ranks)
    return min(blocks * _BLOCK * _bytes_per_token(config), budget)


def _bytes_per_token(config: Any) -> int:
    """Keys and values of one token in every layer, as if all layers kept them."""
    model, parallel = config.model_config, config.parallel_config
    numbers = int(model.get_num_layers(parallel) * model.get_num_kv_heads(parallel))
    return max(1, 2 * numbers * int(model.get_head_size()) * int(model.dtype.itemsize))
