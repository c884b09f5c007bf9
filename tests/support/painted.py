"""Asking an engine that draws, and looking at what it drew."""

from __future__ import annotations

import io
from typing import Any

from byzer_lab.engines.diffusers import DiffusersEngine
from byzer_lab.types import Chunk, GenerateRequest, Message, Progress, Sampling
from tests.support.painter import COLOURS

SMALL = {"width": 64, "height": 64, "sampling_steps": 10}


def asked(prompt: str, *, seed: int | None = 1, **options: Any) -> GenerateRequest:
    """A request for small pictures of few steps."""
    sampling = Sampling(seed=seed, options=SMALL | options)
    return GenerateRequest("draw", messages=[Message("user", prompt)], sampling=sampling)


async def chunks_of(engine: DiffusersEngine, request: GenerateRequest) -> list[Chunk]:
    """The whole answer."""
    chunks = [chunk async for chunk in engine.generate(request)]
    assert [bool(chunk.finish_reason) for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    return chunks


async def drawn(engine: DiffusersEngine, prompt: str, **options: Any) -> list[bytes]:
    """The files of the pictures."""
    chunks = await chunks_of(engine, asked(prompt, **options))
    return [chunk.data for chunk in chunks if chunk.data]


async def steps(engine: DiffusersEngine, prompt: str, **options: Any) -> list[Progress]:
    """What was told on the way."""
    chunks = await chunks_of(engine, asked(prompt, **options))
    return [chunk.progress for chunk in chunks if chunk.progress]


def opened(data: bytes) -> Any:
    """A picture of Pillow."""
    from PIL import Image

    return Image.open(io.BytesIO(data))


def pixels(data: bytes) -> Any:
    """Its numbers: rows, columns, channels, from 0 to 255."""
    import numpy

    return numpy.asarray(opened(data).convert("RGB")).astype(float)


def colour_of(data: bytes) -> str:
    """Which of the painter's colours a picture shows."""
    numbers = pixels(data)
    spread = numbers.max(-1) - numbers.min(-1)
    shown = numbers[spread >= spread.max() - 20].mean(0) / 255
    return min(COLOURS, key=lambda name: float(((shown - COLOURS[name]) ** 2).sum()))


def redness(data: bytes) -> float:
    """How much redder than else a picture is."""
    red, green, blue = pixels(data).mean((0, 1))
    return float(red - (green + blue) / 2)
