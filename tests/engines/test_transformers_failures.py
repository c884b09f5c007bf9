"""When the model fails, when it is shut down, and when nobody asks."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import EngineDeadError, EngineError
from tests.engines.conftest import answer, ask, load_engine


@pytest.fixture(params=["llama", "gptj"])
async def engine(
    request: pytest.FixtureRequest, model_folder: Callable[[str], Path]
) -> AsyncIterator[TransformersEngine]:
    """One of the test's own: it will be broken."""
    made = load_engine(model_folder(request.param), concurrency=8)
    yield made
    await made.close()


def break_model(engine: TransformersEngine, after: int) -> None:
    """Let the real model raise in its forward pass after some steps."""
    loaded = engine._loaded
    assert loaded is not None
    steps = iter(range(after))

    def fail(*_: Any) -> None:
        if next(steps, None) is None:
            raise RuntimeError("the device caught fire")

    loaded.model.register_forward_pre_hook(fail)


async def test_a_failing_model_fails_every_open_request_with_its_cause(
    engine: TransformersEngine,
) -> None:
    break_model(engine, after=20)
    asked = [answer(engine, ask("hello", ignore_eos=True)) for _ in range(5)]
    async with asyncio.timeout(20):
        results = await asyncio.gather(*asked, return_exceptions=True)
        # A batch is lost as a whole; one at a time, the next request may go well.
        lost = EngineDeadError if engine.meta()["batching"] == "continuous" else EngineError
        assert [type(result) for result in results] == [lost] * 5
        assert all("the device caught fire" in str(result) for result in results)
        with pytest.raises(EngineError, match="the device caught fire"):
            await answer(engine, ask("hello"))


async def test_closing_fails_what_runs_and_leaves_no_thread(
    model_folder: Callable[[str], Path], engine: TransformersEngine
) -> None:
    before = set(threading.enumerate())
    for kind in ("llama", "gptj"):
        other = load_engine(model_folder(kind), concurrency=4)
        assert set(threading.enumerate()) - before
        running = [
            asyncio.create_task(answer(other, ask("hello", ignore_eos=True))) for _ in range(3)
        ]
        await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            await other.close()
            await other.close()
            results = await asyncio.gather(*running, return_exceptions=True)
        assert all(isinstance(one, (EngineError, tuple)) for one in results)
        assert any("shut down" in str(one) for one in results)
        with pytest.raises(EngineError, match="shut down"):
            await answer(other, ask("hello"))
        # asyncio keeps the threads of to_thread for itself.
        started = set(threading.enumerate()) - before
        left = [one for one in started if "asyncio" not in one.name and one.is_alive()]
        assert left == []


async def test_closing_frees_the_weights(model_folder: Callable[[str], Path]) -> None:
    import weakref

    engine = load_engine(model_folder("llama"), concurrency=2)
    assert engine._loaded is not None
    model = weakref.ref(engine._loaded.model)
    await engine.close()
    gc.collect()
    assert model() is None


def test_nobody_asking_costs_next_to_nothing(model_folder: Callable[[str], Path]) -> None:
    engine = load_engine(model_folder("llama"), concurrency=4)
    thread = engine._runner._manager._generation_thread  # type: ignore[union-attr]
    clock = time.pthread_getcpuclockid(thread.ident)

    def idle_share() -> float:
        start = time.clock_gettime(clock)
        time.sleep(1)
        return time.clock_gettime(clock) - start

    try:
        assert min(idle_share() for _ in range(3)) < 0.01
    finally:
        asyncio.run(engine.close())


def test_an_engine_that_was_never_loaded_says_so() -> None:
    from byzer_lab.engines.base import EngineConfig

    engine = TransformersEngine(EngineConfig("nowhere", "custom/auto", {}, 1))
    with pytest.raises(EngineError, match="not loaded"):
        engine.meta()
    with pytest.raises(EngineError, match="not loaded"):
        asyncio.run(answer(engine, ask("hello")))
    asyncio.run(engine.close())
