"""Which tokens may come next, for all answers of a step at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
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


class MasksAhead:
    """Masks of the next step, computed on a thread of their own while the model computes its
    logits. The library lets Python run meanwhile.

    Args:
        threads: How many may work on them.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="masks")
        self._form: tuple[int, bool] | None = None  # of the last step
        self._pending: tuple[list[Constraint], Future[Any]] | None = None

    def begin(self, constraints: Sequence[Constraint]) -> None:
        """Begin those of a step, as far as the last one tells what they are needed for.

        Args:
            constraints: Of the answers that will get a token. Nobody may touch them until
                :meth:`take`.
        """
        self._finish()
        if constraints and self._form is not None:
            listed = list(constraints)
            self._pending = (listed, self._worker.submit(self._made, listed, *self._form))

    def take(self, constraints: Sequence[Constraint], width: int, expand: bool) -> Any:
        """Those of the step.

        Args:
            constraints: Of the answers that get a token.
            width: How many logits the model gives.
            expand: As :func:`biases` gives them, valid until the next step; else as
                :func:`packed_masks` does.
        """
        listed, form = list(constraints), (width, expand)
        pending, made = self._pending, self._finish()
        same = pending is not None and list(map(id, pending[0])) == list(map(id, listed))
        if same and form == self._form:
            return made
        self._form = form
        return self._made(listed, width, expand)

    def close(self) -> None:
        """End the thread."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _finish(self) -> Any:
        """Wait for what has begun, because two threads can't use a constraint at a time."""
        pending, self._pending = self._pending, None
        return None if pending is None else pending[1].result()

    def _made(self, constraints: list[Constraint], width: int, expand: bool) -> Any:
        packed = packed_masks(constraints, width, self._threads)
        return biases(packed, width) if expand else packed


def allowed_tokens(constraints: Sequence[Constraint], width: int, threads: int = 1) -> Any:
    """The allowed tokens as truth values, a row per answer."""
    packed = packed_masks(constraints, width, threads)
    return np.unpackbits(packed, axis=1, count=width, bitorder="little").view(np.bool_)


@cache
def _executor(threads: int) -> Any:
    return LLExecutor(threads)
