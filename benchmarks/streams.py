"""64 streams of a zero-work engine, as fast as they go."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks import bare, lab
from benchmarks.engines import StepEngine
from benchmarks.measure import Cost, Figures, Road, Rounds, goal, spread, table
from byzer_lab import ByzerLLM
from byzer_lab.engines.base import EngineConfig
from byzer_lab.types import GenerateRequest, Sampling

STREAMS = 64
IN_PROCESS = "in process"
ASYNC = "ByzerLLM.async_stream_chat_oai"


def run(*, quick: bool) -> None:
    """Measure and print."""
    with (
        lab.lab() as runtime,
        lab.deployed("steps", backend="benchmarks.engines:StepEngine") as (steps,),
        lab.deployed("bursts") as (bursts,),
        lab.driver(runtime) as ray,
    ):
        actor = ray.remote(bare.Bare).options(**bare.OPTIONS).remote()
        actor_pid = ray.get(actor.pid.remote())
        llm = ByzerLLM()
        engine = StepEngine(EngineConfig("", "", {}, STREAMS))

        async def in_process(count: int) -> int:
            request = GenerateRequest("r", prompt="hi", sampling=Sampling(max_tokens=count))
            return sum([chunk.tokens async for chunk in engine.generate(request)])

        async def ray_generator(count: int) -> int:
            stream = actor.stream.options(num_returns="streaming").remote(count)
            return len([await piece async for piece in stream])

        def asking(model: str, count: int) -> dict[str, Any]:
            return {"model": model, "llm_config": {"max_tokens": count}, "delta_mode": True}

        def on_asyncio(model: str) -> Callable[[int], Awaitable[int]]:
            async def ask(count: int) -> int:
                made = 0
                async for _, meta in llm.async_stream_chat_oai("hi", **asking(model, count)):
                    made = meta.generated_tokens_count
                return made

            return ask

        def ours(count: int) -> int:
            made = 0
            for _, meta in llm.stream_chat_oai("hi", **asking("steps", count)):
                made = meta.generated_tokens_count
            return made

        roads = {
            IN_PROCESS: tasks(in_process, 1000),
            ASYNC: tasks(on_asyncio("steps"), 500, steps.pid),
            "ByzerLLM.stream_chat_oai, threads": threads(ours, 500, steps.pid),
            "the first, tokens in bursts": tasks(on_asyncio("bursts"), 1000, bursts.pid),
            "Ray generator": tasks(ray_generator, 40, actor_pid),
        }
        rounds = Rounds(roads, 2 if quick else 7)
    rows = [
        [
            name,
            f"{rounds.median(name, 'rate'):,.0f}",
            f"{rounds.median(name, 'client'):.1f}",
            f"{rounds.median(name, 'worker'):.1f}",
            spread(rounds.ratio(name, IN_PROCESS, "rate")),
        ]
        for name in roads
    ]
    table([f"{STREAMS} streams", "tokens/s", "client µs", "worker µs", "of in process"], rows)
    share = rounds.ratio(ASYNC, IN_PROCESS, "rate")[0]
    goal("tokens/s", rounds.median(ASYNC, "rate"), 50_000, at_most=False)
    goal("the same as a share of in process", share, 50 / 118, at_most=False)


def tasks(stream: Callable[[int], Awaitable[int]], tokens: int, *pids: int) -> Road:
    """All streams at once on asyncio."""

    async def ask() -> Figures:
        cost = Cost(*pids)
        made = await asyncio.gather(*(stream(tokens) for _ in range(STREAMS)))
        return _figures(cost, made, tokens)

    return lambda: asyncio.run(ask())


def threads(stream: Callable[[int], int], tokens: int, *pids: int) -> Road:
    """All streams at once, a thread each."""

    def road() -> Figures:
        made: list[int] = []
        running = [
            threading.Thread(target=lambda: made.append(stream(tokens))) for _ in range(STREAMS)
        ]
        cost = Cost(*pids)
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
        return _figures(cost, made, tokens)

    return road


def _figures(cost: Cost, made: list[int], tokens: int) -> Figures:
    figures = cost.per(STREAMS * tokens)
    assert made == [tokens] * STREAMS, "a stream lost tokens"
    return figures
