"""Many requests in one batch: the same answers as alone, and nobody in anybody's way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import ContextLengthError
from tests.engines.conftest import CONTEXT, answer, ask, load_engine

PROMPTS = [
    "hello",
    "the quick brown fox jumps over the lazy dog",
    "你好，世界",
    "Byzer Lab answers questions about models. " * 4,
    "a",
    "🙂🚀 again and again",
]


def generate(engine: TransformersEngine, prompt: str, tokens: int) -> str:
    """The library's own greedy answer."""
    loaded = engine._loaded
    assert loaded is not None
    ids = loaded.tokenizer(prompt, return_tensors="pt").input_ids
    made = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens
    )
    text: str = loaded.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    return text.rstrip("\ufffd")


def free_tokens(engine: TransformersEngine) -> float:
    """Share of the cache that no running request holds; blocks kept for reuse count as free."""
    cache: Any = engine._runner.cache  # type: ignore[union-attr]
    allocators = cache.cache_allocators.values()
    kept = sum(len(one.ledger.cached_blocks) * one.bytes_per_block for one in allocators)
    total = cache.num_sectors * cache.bytes_per_sector
    return float((cache.compute_free_capacity(relative=False) + kept) / total)


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


@pytest.mark.parametrize("family", ["llama", "gpt_neox"])
async def test_greedy_answers_equal_generate_alone_and_in_a_mixed_batch(
    family: str, request: pytest.FixtureRequest
) -> None:
    engine: TransformersEngine = request.getfixturevalue(family)
    assert engine.meta()["batching"] == "continuous"
    wanted = [generate(engine, prompt, 24) for prompt in PROMPTS]
    alone = [(await answer(engine, ask(prompt, max_tokens=24)))[0] for prompt in PROMPTS]
    noise = [
        answer(engine, ask(prompt, max_tokens=40, temperature=1.0, top_p=0.9, seed=number))
        for number, prompt in enumerate(PROMPTS)
    ]
    mixed = [answer(engine, ask(prompt, max_tokens=24)) for prompt in PROMPTS]
    together = [text for text, _ in await asyncio.gather(*mixed, *noise)][: len(PROMPTS)]
    stripped = [text.rstrip("\ufffd") for text in alone]
    assert stripped == wanted
    assert together == alone


async def test_24_requests_of_all_kinds_at_once_are_all_answered(llama: TransformersEngine) -> None:
    kinds: list[dict[str, Any]] = [
        {"max_tokens": 5},
        {"max_tokens": 60, "temperature": 1.0, "seed": 1},
        {"max_tokens": 30, "temperature": 0.7, "top_k": 20, "top_p": 0.9},
        {"max_tokens": 40, "temperature": 1.2, "min_p": 0.1, "stop": ["a", "的"]},
        {"max_tokens": 20, "repetition_penalty": 1.3, "frequency_penalty": 0.5},
        {"max_tokens": 50, "temperature": 1.0, "ignore_eos": True, "presence_penalty": 1.0},
    ]
    asked = [ask(PROMPTS[n % len(PROMPTS)], **kinds[n // 4]) for n in range(24)]
    answers = await asyncio.gather(*(answer(llama, one) for one in asked))
    for one, (text, last) in zip(asked, answers, strict=True):
        assert last.usage is not None
        limit = one.sampling.max_tokens
        assert limit is not None
        assert 1 <= last.usage.output_tokens <= limit
        if last.finish_reason == "length":
            assert last.usage.output_tokens == limit
        if one.sampling.ignore_eos:
            assert last.finish_reason == "length"
        assert not any(stop in text for stop in one.sampling.stop or ())
    await until(lambda: free_tokens(llama) == 1)


async def test_a_seed_repeats_whatever_else_is_in_the_batch(llama: TransformersEngine) -> None:
    def seeded(seed: int | None) -> Any:
        return answer(
            llama, ask("the quick", max_tokens=30, temperature=1.0, top_p=0.95, seed=seed)
        )

    alone, _ = await seeded(42)
    crowd = [answer(llama, ask(prompt, max_tokens=50, temperature=1.5)) for prompt in PROMPTS]
    results = await asyncio.gather(*crowd, seeded(42), seeded(43), seeded(None), seeded(None))
    again, other, free, freer = (text for text, _ in results[len(crowd) :])
    assert again == alone
    assert len({alone, other, free, freer}) == 4


async def test_closing_early_frees_the_cache_and_the_others_go_on(
    llama: TransformersEngine,
) -> None:
    wanted, _ = await answer(llama, ask("hello", max_tokens=100, ignore_eos=True))
    other = asyncio.create_task(answer(llama, ask("hello", max_tokens=100, ignore_eos=True)))
    cancelled = [llama.generate(ask("the quick", ignore_eos=True)) for _ in range(5)]
    for one in cancelled:
        await anext(one)
    assert free_tokens(llama) < 1
    for one in cancelled:
        await one.aclose()
    assert (await other)[0] == wanted
    await until(lambda: free_tokens(llama) == 1)


async def test_cancelling_the_task_leaves_the_batch(llama: TransformersEngine) -> None:
    running = llama._runner._mail._boxes  # type: ignore[union-attr]
    tasks = [asyncio.create_task(answer(llama, ask("hello", ignore_eos=True))) for _ in range(3)]
    await until(lambda: len(running) == 3)
    for task in tasks:
        task.cancel()
    assert all(
        isinstance(result, asyncio.CancelledError)
        for result in await asyncio.gather(*tasks, return_exceptions=True)
    )
    assert not running
    await until(lambda: free_tokens(llama) == 1)


async def test_a_small_cache_makes_requests_wait_and_never_hang(
    model_folder: Callable[[str], Path], llama: TransformersEngine
) -> None:
    small = load_engine(model_folder("llama"), {"num_blocks": 12, "page_size": 8})
    try:
        asked = [
            {"prompt": prompt, "max_tokens": 50, "ignore_eos": True} for prompt in PROMPTS[:3] * 4
        ]
        wanted = await asyncio.gather(*(answer(llama, ask(**one)) for one in asked))
        async with asyncio.timeout(60):
            got = await asyncio.gather(*(answer(small, ask(**one)) for one in asked))
        assert [text for text, _ in got] == [text for text, _ in wanted]
        await until(lambda: free_tokens(small) == 1)
    finally:
        await small.close()


async def test_a_full_cache_admits_the_waiting_when_the_running_are_cancelled(
    model_folder: Callable[[str], Path],
) -> None:
    small = load_engine(model_folder("llama"), {"num_blocks": 12, "page_size": 8})
    scheduler = small._runner._manager.batch_processor.scheduler  # type: ignore[union-attr]
    try:
        for _ in range(3):
            running = [small.generate(ask(word, max_tokens=80, ignore_eos=True)) for word in "abc"]
            readers = [asyncio.create_task(_count(one)) for one in running]
            await until(lambda: scheduler.block_new_requests)  # the cache is full
            waiting = asyncio.create_task(answer(small, ask("a", max_tokens=20, ignore_eos=True)))
            for reader in readers:
                reader.cancel()
            async with asyncio.timeout(20):
                await waiting
            await asyncio.gather(*readers, return_exceptions=True)
        await until(lambda: free_tokens(small) == 1)
    finally:
        await small.close()


async def _count(chunks: Any) -> int:
    return len([chunk async for chunk in chunks])


async def test_a_request_too_large_for_the_whole_cache_is_refused(
    model_folder: Callable[[str], Path],
) -> None:
    small = load_engine(model_folder("llama"), {"num_blocks": 4, "page_size": 8})
    try:
        with pytest.raises(
            ContextLengthError, match=r"max_tokens is 40.*whole key-value cache.*32"
        ):
            await answer(small, ask("a", max_tokens=40))
        with pytest.raises(ContextLengthError, match=r"whole key-value cache.*32 tokens"):
            await answer(small, ask("a b c d e f g h " * 5))
        # Without max_tokens the answer takes what the cache can hold.
        _, last = await answer(small, ask("a", ignore_eos=True))
        assert last.usage is not None
        assert last.usage.input_tokens + last.usage.output_tokens == 32
    finally:
        await small.close()


async def test_a_long_prompt_is_read_in_steps(
    model_folder: Callable[[str], Path], llama: TransformersEngine
) -> None:
    stepwise = load_engine(model_folder("llama"), {"max_batch_tokens": 16}, concurrency=4)
    try:
        prompt = "again and again " * 10
        wanted, _ = await answer(llama, ask(prompt, max_tokens=20))
        assert (await answer(stepwise, ask(prompt, max_tokens=20)))[0] == wanted
        seeded = {"max_tokens": 20, "temperature": 1.0, "seed": 5}
        several = [answer(stepwise, ask(prompt, **seeded)) for _ in range(4)]
        texts = {text for text, _ in await asyncio.gather(*several)}
        assert texts == {(await answer(llama, ask(prompt, **seeded)))[0]}
    finally:
        await stepwise.close()


async def test_the_same_request_id_twice_gives_two_answers(llama: TransformersEngine) -> None:
    same = ask("hello", max_tokens=10)
    (first, _), (second, _) = await asyncio.gather(answer(llama, same), answer(llama, same))
    assert first == second


async def test_without_max_tokens_the_answer_fills_the_window(llama: TransformersEngine) -> None:
    _, last = await answer(llama, ask("hello", ignore_eos=True))
    assert last.usage is not None
    assert last.usage.input_tokens + last.usage.output_tokens == CONTEXT
    assert last.finish_reason == "length"
