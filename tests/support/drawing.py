"""An engine that draws the same small picture in steps, and makes a tone of what it is to say."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncGenerator
from typing import Any

from byzer_lab.client.media import wav_of
from byzer_lab.engines.base import EngineConfig, ReportProgress
from byzer_lab.types import Chunk, GenerateRequest, Progress, Usage

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR4nGP4z8CAFWEXHbQSACj/P8Fu7N9hAAAAAElF"
    "TkSuQmCC"
)
RATE = 8000


def tone(seconds: float = 0.5) -> bytes:
    """A square wave, as a WAV."""
    wave = b"".join((4000 if n // 10 % 2 else -4000).to_bytes(2, "little", signed=True)
                    for n in range(round(RATE * seconds)))  # fmt: skip
    return wav_of(wave, RATE)


class SteppingEngine:
    """Draws where ``draws`` is set, else speaks. ``infer_params``: ``draws``, ``delay_s`` of a
    step, ``steps``."""

    def __init__(self, config: EngineConfig) -> None:
        given = config.infer_params
        self._draws = str(given.get("draws", "true")).lower() == "true"
        self._delay_s = float(given.get("delay_s", 0))
        self._steps = int(given.get("steps", 4))

    def load(self, report: ReportProgress) -> None:
        """Nothing to load."""

    def meta(self) -> dict[str, Any]:
        return {"backend": "stepping", "draws" if self._draws else "speaks": True}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        asked = request.messages[-1].text if request.messages else "{}"
        for step in range(1, self._steps + 1):
            await asyncio.sleep(self._delay_s)
            yield Chunk(progress=Progress(step, self._steps, "drawing"))
        data, kind = (PNG, "image/png") if self._draws else (tone(), "audio/wav")
        for _ in range(int(json.loads(asked).get("n", 1))):
            yield Chunk(data=data, media_type=kind, prompt=asked)
        yield Chunk(finish_reason="stop", usage=Usage(output_tokens=self._steps))

    async def close(self) -> None:
        """Nothing to free."""
