"""Which tokens may come next, for all answers of a step at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from llguidance import LLExecutor

from byzer_lab.engines.structured.constraint import Constraint

# Of each byte of a mask, what its eight tokens get added: nothing, or what leaves no hope.
_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
BIASES = np.where(_BITS == 1, np.float32(0), np.float32(-np.inf))
_here = threading.local()


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
    packed = masks.view(np.uint8)
    for row, one in enumerate(constraints):
        one.end_number(packed[row])
    return packed


def biases(packed: Any, width: int) -> Any:
    """What is added to logits so that only allowed tokens are left; valid until the next call.

    Args:
        packed: From :func:`packed_masks`.
        width: How many logits the model gives.
    """
    shape = (*packed.shape, 8)
    room = getattr(_here, "room", None)
    if room is None or room.shape != shape:
        # Fresh memory at every step would cost more than the rest.
        room = _here.room = np.empty(shape, dtype=np.float32)
    np.take(BIASES, packed, axis=0, out=room, mode="clip")
    return room.reshape(len(packed), -1)[:, :width]


def allowed_tokens(constraints: Sequence[Constraint], width: int, threads: int = 1) -> Any:
    """The allowed tokens as truth values, a row per answer."""
    packed = packed_masks(constraints, width, threads)
    return np.unpackbits(packed, axis=1, count=width, bitorder="little").view(np.bool_)


@cache
def _executor(threads: int) -> Any:
    return LLExecutor(threads)
