"""llama.cpp: streams in one batch against one stream at a time.

    python benchmarks/llama_cpp_engine.py [--streams 8] [--tokens 96] [--rounds 5] [--model PATH]

The same greedy requests go through the same engine twice: all at once, and one after another. The
two take turns in one process, so that a busy machine slows both; the figures are their ratios, by
the clock and by processor time. The answers must be equal.
"""

from __future__ import annotations

import argparse
import asyncio
import threading

from benchmarks.measure import Cost, Figures, Rounds, goal, spread, table
from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.llama_cpp import LlamaCppEngine
from byzer_lab.types import GenerateRequest, Message, Sampling

GOAL = 1.4
QUESTIONS = (
    "Hello",
    "What is the capital of France?",
    "你吃饭了么？",
    "Who are you?",
)


def load(model: str, streams: int) -> LlamaCppEngine:
    """Load the engine as a worker does: on a thread of its own, with one processor thread."""
    engine = LlamaCppEngine(EngineConfig(model, "custom/auto", {"n_threads": 1}, streams))
    thread = threading.Thread(target=engine.load, args=(lambda _: None,))
    thread.start()
    thread.join()
    engine.meta()  # raises when loading failed
    return engine


async def answer(engine: LlamaCppEngine, number: int, tokens: int) -> str:
    """One greedy answer of so many tokens."""
    request = GenerateRequest(
        request_id=str(number),
        messages=[Message(role="user", content=QUESTIONS[number % len(QUESTIONS)])],
        sampling=Sampling(max_tokens=tokens, temperature=0, ignore_eos=True),
    )
    return "".join([chunk.text async for chunk in engine.generate(request)])


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=96, help="tokens per answer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", default=str(bundled_model()), help="a GGUF file or its folder")
    given = parser.parse_args()
    engine = load(given.model, given.streams)
    numbers = range(given.streams)
    total = given.streams * given.tokens
    answers: dict[str, list[str]] = {}

    async def together() -> list[str]:
        return await asyncio.gather(*(answer(engine, one, given.tokens) for one in numbers))

    async def in_turn() -> list[str]:
        return [await answer(engine, one, given.tokens) for one in numbers]

    def batched() -> Figures:
        cost = Cost()
        answers["batched"] = asyncio.run(together())
        return cost.per(total)

    def one_at_a_time() -> Figures:
        cost = Cost()
        answers["one at a time"] = asyncio.run(in_turn())
        return cost.per(total)

    rounds = Rounds({"one at a time": one_at_a_time, "batched": batched}, given.rounds)
    if answers["batched"] != answers["one at a time"]:
        raise SystemExit("The batch's answers differ from those given one at a time.")
    rows = [
        [road, f"{rounds.median(road, 'rate'):.0f}", f"{rounds.median(road, 'client'):.0f}"]
        for road in ("one at a time", "batched")
    ]
    table([f"{given.streams} streams", "tokens/s", "CPU microseconds per token"], rows)
    by_clock = rounds.ratio("batched", "one at a time", "rate")
    by_cpu = rounds.ratio("one at a time", "batched", "client")
    print(f"\nbatched to one at a time, tokens per second:     {spread(by_clock)}")
    print(f"batched to one at a time, tokens per CPU-second: {spread(by_cpu)}")
    goal("tokens per CPU-second, batched to one at a time", by_cpu[0], GOAL, at_most=False)
    asyncio.run(engine.close())


if __name__ == "__main__":
    main()
