"""Which tokens may come next, for all answers of a step at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from llguidance import LLExecutor

from byzer_lab.engines.structured.constraint import Constraint


def packed_masks(constraints: Sequence[Constraint], width: int, threads: int = 1) -> Any:
    """Allowed tokens, a bit each, lowest first.

    Args:
        constraints: Of the answers.
        width: How many logits the model gives.
        threads: How many may work.

    Returns:
        Bytes, a row per answer; each has at least ``width`` bits.
    """
    words = -(-width // 32)
    masks = np.zeros((len(constraints), words), dtype=np.int32)
    if len(constraints) == 1 or threads == 1:
        for row, one in enumerate(constraints):
            one.matcher.unsafe_compute_mask_ptr(masks[row].ctypes.data, words * 4)
    else:
        places = [(one.matcher, row) for row, one in enumerate(constraints)]
        _executor(threads).unsafe_compute_mask_ptr(
            places, masks.ctypes.data, words * 4, len(constraints)
        )
    return masks.view(np.uint8)


def allowed_tokens(constraints: Sequence[Constraint], width: int, threads: int = 1) -> Any:
    """The same as truth values."""
    packed = packed_masks(constraints, width, threads)
    return np.unpackbits(packed, axis=1, count=width, bitorder="little").view(np.bool_)


@cache
def _executor(threads: int) -> Any:
    return LLExecutor(threads)
