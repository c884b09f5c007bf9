"""An engine without work that gives way after each token, as one that waits for a model does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from byzer_lab.types import Chunk, GenerateRequest
from tests.support.engines import CountingEngine


class StepEngine(CountingEngine):
    """Counts; each token takes a turn of the event loop."""

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        async for chunk in super().generate(request):
            await asyncio.sleep(0)
            yield chunk
