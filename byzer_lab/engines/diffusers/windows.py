"""MultiDiffusion: one large picture drawn in overlapping windows, each as large as the model likes.

At each step the model looks at one window after another, and what it says of a pixel is the mean
of what it says in all windows that the pixel lies in. Only the windows of one call are in memory.
A step of the scheduler adds up what the model says, so this mean is also the mean of steps that
were made in each window (https://arxiv.org/abs/2302.08113), with any scheduler.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch

from byzer_lab.drawing import Drawing


def windows(height: int, width: int, size: int, stride: int) -> list[tuple[slice, slice]]:
    """Windows that cover a picture; the last ones end where it ends.

    Args:
        height, width: Of the picture.
        size: Height and width of a window; a smaller picture is one window.
        stride: From one to the next, at most ``size``.
    """
    return [
        (slice(top, min(top + size, height)), slice(left, min(left + size, width)))
        for top in _starts(height, size, stride)
        for left in _starts(width, size, stride)
    ]


def _starts(length: int, size: int, stride: int) -> list[int]:
    last = max(0, length - size)
    return [*range(0, last, stride), last]


@contextlib.contextmanager
def windowed(unet: Any, drawing: Drawing, between: Callable[[], None]) -> Iterator[None]:
    """Let a model look through windows while the context lasts.

    Args:
        unet: The pipeline's; changed on this thread only while nobody else uses it.
        drawing: Size, stride and number of the windows.
        between: Called between two calls of the model; may raise to end the drawing.
    """
    look = unet.forward

    def forward(
        sample: Any,
        timestep: Any,
        encoder_hidden_states: Any,
        **others: Any,
    ) -> tuple[Any]:
        others["return_dict"] = False
        height, width = sample.shape[-2:]
        views = windows(height, width, drawing.window_size, drawing.stride)
        total, count = torch.zeros_like(sample), torch.zeros_like(sample[:1, :1])
        for first in range(0, len(views), drawing.views_batch_size):
            between()
            part = views[first : first + drawing.views_batch_size]
            looks = torch.cat([sample[..., rows, columns] for rows, columns in part])
            more = {name: _repeated(value, len(part)) for name, value in others.items()}
            states = _repeated(encoder_hidden_states, len(part))
            said = look(looks, timestep, states, **more)[0]
            for (rows, columns), piece in zip(part, said.chunk(len(part)), strict=True):
                total[..., rows, columns] += piece
                count[..., rows, columns] += 1
        return (total / count,)

    unet.forward = forward
    try:
        yield
    finally:
        del unet.forward  # the class's own is found again


def _repeated(value: Any, times: int) -> Any:
    """What goes with each picture, once for each of its windows."""
    if isinstance(value, dict):
        return {name: _repeated(part, times) for name, part in value.items()}
    if not isinstance(value, torch.Tensor) or value.dim() == 0:
        return value
    return value.repeat(times, *[1] * (value.dim() - 1))
