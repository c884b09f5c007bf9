"""An engine of llama.cpp from load to close: idle, failing, closing, and in a real cluster."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.errors import EngineDeadError, EngineError
from tests.engines.test_llama_cpp import QUESTIONS, answer, chat, load, text_of, until, used

pytest.importorskip("llama_cpp")


async def test_an_idle_engine_uses_no_processor() -> None:
    engine = load(bundled_model(), concurrency=2)
    try:
        await answer(engine, chat("Hello"))
        await asyncio.sleep(0.3)
        start = time.process_time()
        await asyncio.sleep(1)
        assert time.process_time() - start < 0.05
    finally:
        await engine.close()


async def test_closing_fails_what_runs_and_leaves_no_thread() -> None:
    engine = load(bundled_model(), concurrency=2)
    before = threading.active_count()
    running = engine.generate(chat("Hello", ignore_eos=True))
    await anext(running)
    batch = engine._loaded.batch  # type: ignore[union-attr]
    await engine.close()
    with pytest.raises(EngineDeadError, match="shut down"):
        [_ async for _ in running]
    await engine.close()
    assert not batch._thread.is_alive()
    assert threading.active_count() <= before
    with pytest.raises(EngineError, match="not loaded"):
        engine.meta()


async def test_a_failure_of_the_loop_ends_every_request() -> None:
    engine = load(bundled_model(), concurrency=2)
    try:
        running = [engine.generate(chat("Hello", ignore_eos=True)) for _ in range(4)]
        await anext(running[0])

        def fail(_: Any) -> Any:
            raise RuntimeError("out of luck")

        engine._loaded.context.decode = fail  # type: ignore[union-attr, method-assign]
        for one in running:
            with pytest.raises(EngineDeadError, match="batch failed: RuntimeError: out of luck"):
                [_ async for _ in one]
        with pytest.raises(EngineDeadError, match="out of luck"):
            await answer(engine, chat("Hello"))
    finally:
        await engine.close()


async def test_200_short_streams_come_and_go_and_nothing_is_left_over() -> None:
    engine = load(bundled_model(), {"kv_cache_tokens": 260, "n_batch": 40}, concurrency=24)
    loaded = engine._loaded
    assert loaded is not None
    try:
        wanted = {one: await text_of(engine, chat(one, max_tokens=40)) for one in QUESTIONS[:3]}

        async def leave_early(question: str) -> None:
            chunks = engine.generate(chat(question, ignore_eos=True, max_tokens=100))
            await anext(chunks)
            await chunks.aclose()

        async with asyncio.timeout(60):
            asked = [QUESTIONS[number % 3] for number in range(200)]
            early = [leave_early(one) for one in asked[::5]]
            whole = [text_of(engine, chat(one, max_tokens=40)) for one in asked]
            results = await asyncio.gather(*early, *whole)
        assert results[len(early) :] == [wanted[one] for one in asked]
        await until(lambda: used(engine) == 0 and len(loaded.batch._slots) == 24)
    finally:
        await engine.close()


def test_the_whole_way_through_the_cluster(llm: Any) -> None:
    from byzer_lab.client.types import InferBackend

    llm.setup_infer_backend(InferBackend.LLAMA_CPP).deploy(
        model_path="bundled",
        udf_name="gguf",
        infer_params={"verbose": "true", "num_gpu_layers": "0"},
    )
    [response] = llm.chat_oai(conversations=[{"role": "user", "content": "Hello"}], model="gguf")
    assert response.output == "Hello! How can I help you today?"
