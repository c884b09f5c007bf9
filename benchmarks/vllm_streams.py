"""64 streams of the bundled model on vLLM: a deployment against vLLM in process."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import psutil

from benchmarks import lab
from benchmarks.measure import Cost, Figures, Rounds, goal, spread, table
from byzer_lab import ByzerLLM, bundled_model
from byzer_lab.engines.base import EngineConfig

STREAMS = 64
TOKENS = 96
QUESTION = "What is Byzer Lab?"
IN_PROCESS = "AsyncLLM in process"
OURS = "ByzerLLM.async_stream_chat_oai"


def run(*, quick: bool) -> None:
    """Measure and print."""
    with lab.lab():
        llm = ByzerLLM().setup_infer_backend("vllm").setup_worker_concurrency(STREAMS)
        llm.setup_default_model_name("chat")
        llm.deploy(model_path="bundled", udf_name="chat")
        (worker,) = llm._record("chat").workers
        engine = _load()
        prompt = llm.apply_chat_template("chat", [{"role": "user", "content": QUESTION}])
        tokens = llm.tokenize("chat", prompt)[0].output[0]
        there = _with_children(worker.pid)
        here = _with_children(psutil.Process().pid)[1:]

        async def ours() -> int:
            config = {"max_tokens": TOKENS, "temperature": 0, "ignore_eos": True}
            made = 0
            async for _, meta in llm.async_stream_chat_oai(
                QUESTION, llm_config=config, delta_mode=True
            ):
                made = meta.generated_tokens_count
            return made

        def through_a_deployment() -> Figures:
            async def ask() -> list[int]:
                return await asyncio.gather(*(ours() for _ in range(STREAMS)))

            cost = Cost(*there)
            return _figures(cost, asyncio.run(ask()))

        def in_process() -> Figures:
            cost = Cost(*here)
            asking = asyncio.run_coroutine_threadsafe(_ask_all(engine.llm, tokens), engine._loop)
            return _figures(cost, asking.result())

        roads = {IN_PROCESS: in_process, OURS: through_a_deployment}
        rounds = Rounds(roads, 2 if quick else 9)
        engine.close()
    rows = [
        [
            name,
            f"{rounds.median(name, 'rate'):,.0f}",
            f"{rounds.median(name, 'cpu'):.0f}",
            spread(rounds.ratio(name, IN_PROCESS, "rate")),
            spread(rounds.ratio(name, IN_PROCESS, "cpu")),
        ]
        for name in roads
    ]
    table([f"{STREAMS} streams", "tokens/s", "CPU µs", "tokens/s of the first", "CPU"], rows)
    goal("tokens/s of AsyncLLM's", rounds.ratio(OURS, IN_PROCESS, "rate")[0], 0.95, at_most=False)
    goal("CPU of AsyncLLM's", rounds.ratio(OURS, IN_PROCESS, "cpu")[0], 1.15, at_most=True)


def _load() -> Any:
    """vLLM in this process, with the settings of a deployment."""
    from byzer_lab.engines.vllm import VLLMEngine

    engine = VLLMEngine(EngineConfig(str(bundled_model()), "custom/auto", {}, STREAMS))
    thread = threading.Thread(target=engine.load, args=(lambda _: None,))
    thread.start()
    thread.join()
    return engine._ready()[1]  # raises when loading failed


async def _ask_all(llm: Any, tokens: list[int]) -> list[int]:
    from vllm import SamplingParams
    from vllm.inputs import tokens_input
    from vllm.sampling_params import RequestOutputKind

    params = SamplingParams(
        temperature=0, max_tokens=TOKENS, ignore_eos=True, output_kind=RequestOutputKind.DELTA
    )

    async def ask(number: int) -> int:
        made = 0
        async for answer in llm.generate(tokens_input(tokens), params, f"bench-{number}"):
            made += len(answer.outputs[0].token_ids)
        return made

    return await asyncio.gather(*(ask(number) for number in range(STREAMS)))


def _with_children(pid: int) -> list[int]:
    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


def _figures(cost: Cost, made: list[int]) -> Figures:
    figures = cost.per(STREAMS * TOKENS)
    assert made == [TOKENS] * STREAMS, "a stream lost tokens"
    return {"rate": figures["rate"], "cpu": figures["client"] + figures["worker"]}
