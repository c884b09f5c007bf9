"""Small engines for tests and benchmarks: real implementations of the protocol, without a model."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

from byzer_lab.engines.base import EngineConfig, LoadProgress, ReportProgress
from byzer_lab.errors import EngineDeadError, EngineError, InvalidRequestError
from byzer_lab.types import Chunk, GenerateRequest, Usage


class CountingEngine:
    """Answers with the numbers 1, 2, 3 ... up to ``max_tokens``.

    ``infer_params``: ``delay_s`` between tokens, ``load_s`` to load, ``fail`` with that sentence
    while loading, ``die`` while loading, ``once``: a file that the first load makes; where it is
    there, loading fails. ``slow``: a file that the first worker to load makes; that worker begins
    each answer ``slow_s`` later. ``meta``: what to say of the model beside the usual.
    """

    cancelled = 0

    def __init__(self, config: EngineConfig) -> None:
        self._params = config.infer_params
        self._delay = float(config.infer_params.get("delay_s", 0))
        self._slow_s = 0.0

    def load(self, report: ReportProgress) -> None:
        if self._params.get("say"):
            print(self._params["say"])
        steps = 20
        for step in range(steps):
            report(LoadProgress("loading weights", step / steps))
            time.sleep(float(self._params.get("load_s", 0)) / steps)
        if self._params.get("fail"):
            raise EngineError(str(self._params["fail"]))
        if once := self._params.get("once"):
            if Path(once).exists():
                raise EngineError("CUDA out of memory.")
            Path(once).touch()
        if slow := self._params.get("slow"):
            with contextlib.suppress(FileExistsError):
                Path(slow).touch(exist_ok=False)
                self._slow_s = float(self._params["slow_s"])
        if self._params.get("die"):
            os._exit(3)

    def meta(self) -> dict[str, Any]:
        return {
            "model_deploy_type": "proprietary",
            "backend": "counting",
            "max_model_len": 1_000_000,
            "architectures": ["Counting"],
            "support_stream": True,
            "support_chat_template": True,
            "cancelled": CountingEngine.cancelled,
            "secret_was": self._params.get("key", ""),
            **self._params.get("meta", {}),
        }

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        wanted = request.sampling.max_tokens or 10
        if request.prompt == "refuse":
            raise InvalidRequestError("This engine refuses that prompt.")
        if request.prompt == "die":
            raise EngineDeadError("The batch is dead.")
        if request.prompt == "exit":
            os._exit(3)
        if request.prompt == "break":
            yield Chunk(text="half ", tokens=1)
            raise EngineError("The engine broke in the middle.")
        await asyncio.sleep(self._slow_s)
        try:
            for number in range(1, wanted + 1):
                if self._delay:
                    await asyncio.sleep(self._delay)
                yield Chunk(text=f"{number} ", tokens=1)
        except (GeneratorExit, asyncio.CancelledError):
            CountingEngine.cancelled += 1
            print(f"cancelled {request.request_id}", flush=True)
            raise
        yield Chunk(finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=wanted))

    async def close(self) -> None:
        """Nothing to free."""
