"""How large a continuous batch and its key-value cache may be.

The library's own sizing takes most of the memory and the better part of a minute. Here the cache
holds what the deployment's concurrency can use, within a budget.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil
import torch

from byzer_lab.engines.transformers.parameters import Parameters

# Small pages waste little at the end of a request, and their number costs nothing measurable.
_PAGE_SIZE = 32
# The kernel that reads pages itself wants them this large.
_PAGE_SIZE_FLASH = 256
# Tokens of one step. On a CPU a longer prompt than this would hold up everyone's next token.
_BATCH_TOKENS = {"cpu": 256, "cuda": 2048}
# A request is rarely as long as a large window: plan for this many tokens of each at a time.
_TOKENS_PER_REQUEST = 4096
# A CPU's memory is shared with other workers and people; a GPU is mostly the worker's own.
_SHARE_OF_FREE_MEMORY = {"cpu": 0.2, "cuda": 0.8}


@dataclass(frozen=True)
class BatchSize:
    """Sizes of one continuous batch.

    Attributes:
        page_size: Tokens of one page of the cache.
        num_blocks: Pages in the cache (of all layers).
        max_batch_tokens: Tokens that one step processes at most.
    """

    page_size: int
    num_blocks: int
    max_batch_tokens: int


def size_batch(model: Any, window: int, concurrency: int, parameters: Parameters) -> BatchSize:
    """Sizes for a loaded model.

    Args:
        model: The model, on its device.
        window: Its context window in tokens.
        concurrency: Requests at a time.
        parameters: Sizes that the deployment sets are kept.
    """
    device = model.device.type
    flash = "flash" in (model.config._attn_implementation or "")
    page_size = parameters.page_size or (_PAGE_SIZE_FLASH if flash else _PAGE_SIZE)
    batch_tokens = parameters.max_batch_tokens or max(_BATCH_TOKENS[device], concurrency)
    num_blocks = parameters.num_blocks
    if num_blocks is None:
        useful = max(window, concurrency * min(window, _TOKENS_PER_REQUEST))
        budget = cache_budget(device)
        masked = 0 if flash else batch_tokens
        affordable = budget // _bytes_per_token(model, masked)
        # The spare page per request is for the last, partly filled one.
        num_blocks = max(1, min(useful, affordable) // page_size) + concurrency
    return BatchSize(page_size, num_blocks, batch_tokens)


def cache_budget(device: str) -> int:
    """Bytes that the key-value cache of one worker may take now.

    Args:
        device: ``cpu`` or ``cuda``.
    """
    return int(_free_memory(device) * _SHARE_OF_FREE_MEMORY[device])


def _bytes_per_token(model: Any, masked: int) -> int:
    """Memory that one more token in the cache takes.

    Args:
        model: The model.
        masked: Rows of the attention mask, one per token of a step; none for flash attention.
    """
    config = model.config.get_text_config()
    heads = config.num_attention_heads
    kv_heads = getattr(config, "num_key_value_heads", None) or heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    stored = 2 * kv_heads * head_size * config.num_hidden_layers
    # What a step reads back for one layer, repeated for every head, beside what is stored.
    read = 2 * heads * head_size
    index_bytes = 8
    return int((stored + read + masked) * model.dtype.itemsize + index_bytes)


def _free_memory(device: str) -> int:
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return int(free)
    return int(psutil.virtual_memory().available)
