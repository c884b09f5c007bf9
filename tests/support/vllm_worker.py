"""Run as a script: hosts the bundled model on vLLM as a worker does, until it is killed.

Args: infer parameters as JSON. Prints the meta and an answer as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.vllm import VLLMEngine
from byzer_lab.types import GenerateRequest, Message, Sampling


async def serve(engine: VLLMEngine) -> None:
    """Answer once, then wait for the end."""
    asked = GenerateRequest(
        "one", messages=[Message("user", "hello")], sampling=Sampling(temperature=0)
    )
    text = "".join([chunk.text async for chunk in engine.generate(asked)])
    print(json.dumps({"meta": engine.meta(), "text": text}), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Load and serve."""
    config = EngineConfig(str(bundled_model()), "custom/auto", json.loads(sys.argv[1]), 4)
    engine = VLLMEngine(config)
    engine.load(lambda progress: None)
    asyncio.run(serve(engine))


if __name__ == "__main__":
    main()
