"""Ends generation between two tokens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import torch
from transformers import StoppingCriteria

from byzer_lab.errors import EngineError


class StoppedError(Exception):
    """Nobody waits for the answer."""


class Watch(StoppingCriteria):  # type: ignore[misc]
    """Raises when nobody waits for the answer, or when the model turns in circles.

    Args:
        stop: Set when nobody waits.
        most: Tokens after which it turns in circles; ``None``: never.
    """

    def __init__(self, stop: threading.Event, most: int | None = None) -> None:
        self._stop = stop
        self._most = most
        self.tokens = 0

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        self.check()
        self.tokens += 1
        if self._most is not None and self.tokens > self._most:
            raise EngineError("The model finds no end of a part of the answer.")
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    def check(self) -> None:
        """Raise :class:`StoppedError` when nobody waits."""
        if self._stop.is_set():
            raise StoppedError


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Run a model by the chance of a seed; whatever else uses chance is not touched.

    Args:
        seed: ``None``: a new one.
    """
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices), torch.inference_mode():
        if seed is None:
            torch.seed()
        else:
            torch.manual_seed(seed)
        yield
