"""Run as a script: hosts the bundled model on vLLM as a worker does, until SIGTERM.

Args: infer parameters as JSON. Prints the meta and an answer as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.vllm import VLLMEngine
from byzer_lab.types import GenerateRequest, Message, Sampling


async def serve(engine: VLLMEngine) -> None:
    """Answer once, then wait for SIGTERM and close the engine."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    asked = GenerateRequest(
        "one", messages=[Message("user", "hello")], sampling=Sampling(temperature=0)
    )
    text = "".join([chunk.text async for chunk in engine.generate(asked)])
    print(json.dumps({"meta": engine.meta(), "text": text}), flush=True)
    await ended.wait()
    await engine.close()


def main() -> None:
    """Load and serve."""
    config = EngineConfig(str(bundled_model()), "custom/auto", json.loads(sys.argv[1]), 4)
    engine = VLLMEngine(config)
    engine.load(lambda progress: None)
    asyncio.run(serve(engine))


if __name__ == "__main__":
    main()
