"""llama.cpp on the bundled GGUF: the same answers as transformers, alone and in a batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig, LoadProgress
from byzer_lab.engines.llama_cpp import LlamaCppEngine
from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.types import Chunk, GenerateRequest, Message
from tests.engines.conftest import ask, load_engine

pytest.importorskip("llama_cpp")

WINDOW = 2048
QUESTIONS = [
    "Hello",
    "What is the capital of France?",
    "What is the capital of Japan?",
    "你吃饭了么？",
    "你好",
    "Who are you?",
    "Copy: alpha beta gamma",
    "What is 3 + 4?",
    "计算当前时间",
    "Write hello in upper case.",
]


def load(
    model: Path | str,
    infer_params: dict[str, Any] | None = None,
    concurrency: int = 16,
    progress: list[LoadProgress] | None = None,
) -> LlamaCppEngine:
    engine = LlamaCppEngine(
        EngineConfig(
            str(model), "custom/auto", {"n_threads": 1, **(infer_params or {})}, concurrency
        )
    )
    engine.load((progress if progress is not None else []).append)
    return engine


def chat(question: str, **sampling: Any) -> GenerateRequest:
    return ask([Message(role="user", content=question)], **sampling)


async def answer(engine: Any, request: GenerateRequest) -> tuple[str, Chunk]:
    """The whole text and the last chunk."""
    chunks = [chunk async for chunk in engine.generate(request)]
    assert [chunk.finish_reason is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [
        True
    ]
    last = chunks[-1]
    assert last.usage is not None
    assert sum(chunk.tokens for chunk in chunks) == last.usage.output_tokens
    return "".join(chunk.text for chunk in chunks), last


async def text_of(engine: Any, request: GenerateRequest) -> str:
    return (await answer(engine, request))[0]


async def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.002)


def used(engine: LlamaCppEngine) -> int:
    assert engine._loaded is not None
    return engine._loaded.batch.used_cells


@pytest.fixture(scope="module")
def engine() -> Iterator[LlamaCppEngine]:
    loaded = load(bundled_model())
    yield loaded
    asyncio.run(loaded.close())


async def test_greedy_text_equals_the_transformers_engines(engine: LlamaCppEngine) -> None:
    other = load_engine(bundled_model(), concurrency=4)
    try:
        wanted = [await text_of(other, chat(one, max_tokens=60)) for one in QUESTIONS]
        rendered = other._loaded.tokenizer.apply_chat_template(  # type: ignore[union-attr]
            [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "你好 🙂"}],
            tokenize=False,
            add_generation_prompt=True,
        )
        encoded = other._loaded.tokenizer.encode(rendered)  # type: ignore[union-attr]
    finally:
        await other.close()
    alone = [await text_of(engine, chat(one, max_tokens=60)) for one in QUESTIONS]
    noise = [
        answer(engine, chat(one, max_tokens=80, temperature=1.2, ignore_eos=True))
        for one in QUESTIONS[:6]
    ]
    mixed = [answer(engine, chat(one, max_tokens=60)) for one in QUESTIONS]
    together = [text for text, _ in await asyncio.gather(*mixed, *noise)][: len(QUESTIONS)]
    assert alone == wanted
    assert together == wanted
    loaded = engine._loaded
    assert loaded is not None
    assert loaded.template is not None
    messages = [Message(role="system", content="Be kind."), Message(role="user", content="你好 🙂")]
    assert loaded.template.render(messages) == rendered
    assert loaded.model.tokenize(rendered, special=False) == encoded


async def test_32_requests_of_all_kinds_over_16_slots_are_all_answered(
    engine: LlamaCppEngine,
) -> None:
    kinds: list[dict[str, Any]] = [
        {"max_tokens": 5},
        {"max_tokens": 60, "temperature": 1.0, "seed": 1},
        {"max_tokens": 30, "temperature": 0.7, "top_k": 20, "top_p": 0.9},
        {"max_tokens": 40, "temperature": 1.2, "min_p": 0.1, "stop": ["a", "的"]},
        {"max_tokens": 20, "repetition_penalty": 1.3, "frequency_penalty": 0.5},
        {"max_tokens": 50, "temperature": 1.0, "ignore_eos": True, "presence_penalty": 1.0},
    ]
    asked = [chat(QUESTIONS[n % 10], **kinds[n % len(kinds)]) for n in range(32)]
    for one, (text, last) in zip(
        asked, await asyncio.gather(*(answer(engine, one) for one in asked)), strict=True
    ):
        assert last.usage is not None
        assert 1 <= last.usage.output_tokens <= (one.sampling.max_tokens or 0)
        if one.sampling.ignore_eos:
            assert last.finish_reason == "length"
        if last.finish_reason == "length":
            assert last.usage.output_tokens == one.sampling.max_tokens
        assert not any(stop in text for stop in one.sampling.stop or ())
    assert used(engine) == 0


async def test_a_seed_repeats_whatever_else_is_in_the_batch(engine: LlamaCppEngine) -> None:
    def seeded(seed: int | None) -> Any:
        return text_of(
            engine, chat("Hello", max_tokens=24, temperature=2.0, ignore_eos=True, seed=seed)
        )

    alone = await seeded(42)
    crowd = [
        text_of(engine, chat(one, max_tokens=60, temperature=1.5, seed=1)) for one in QUESTIONS
    ]
    results = await asyncio.gather(*crowd, seeded(42), seeded(43), seeded(None), seeded(None))
    again, other, free, freer = results[len(crowd) :]
    assert again == alone
    assert len({alone, other, free, freer}) == 4


async def test_closing_early_frees_the_cache_and_the_others_go_on(engine: LlamaCppEngine) -> None:
    wanted = await text_of(engine, chat("Hello", max_tokens=100, ignore_eos=True))
    other = asyncio.create_task(text_of(engine, chat("Hello", max_tokens=100, ignore_eos=True)))
    cancelled = [engine.generate(chat("Who are you?", ignore_eos=True)) for _ in range(5)]
    for one in cancelled:
        await anext(one)
    assert used(engine) > 0
    for one in cancelled:
        await one.aclose()
    assert await other == wanted
    await until(lambda: used(engine) == 0)


async def test_a_stop_text_is_cut_wherever_it_falls(engine: LlamaCppEngine) -> None:
    whole = await text_of(engine, chat("Who are you?", max_tokens=30, ignore_eos=True))
    for start in range(1, len(whole) - 6, 4):
        stop = whole[start : start + 5]
        text, last = await answer(
            engine, chat("Who are you?", max_tokens=30, ignore_eos=True, stop=[stop, "never said"])
        )
        assert text == whole[: whole.index(stop)]
        assert last.finish_reason == "stop"
    marked, last = await answer(engine, chat("Hello", stop=["<|im_end|>"], ignore_eos=True))
    assert marked == await text_of(engine, chat("Hello"))
    assert last.finish_reason == "stop"


async def test_a_stop_token_ends_the_answer(engine: LlamaCppEngine) -> None:
    loaded = engine._loaded
    assert loaded is not None
    whole, _ = await answer(engine, chat("Hello"))
    tokens = loaded.model.tokenize(whole, special=False)
    text, last = await answer(engine, chat("Hello", stop_token_ids=[tokens[3]]))
    assert text == loaded.model.decode(tokens[: tokens.index(tokens[3])])
    assert last.finish_reason == "stop"


async def test_text_arrives_in_whole_characters(engine: LlamaCppEngine) -> None:
    chunks = [chunk.text async for chunk in engine.generate(chat("你吃饭了么？"))]
    assert len(chunks) > 3
    assert "\ufffd" not in "".join(chunks)
    assert "人工智能" in "".join(chunks)


async def test_penalties_change_what_is_said(engine: LlamaCppEngine) -> None:
    asked = {"max_tokens": 60, "ignore_eos": True}
    plain = await text_of(engine, chat("Hello", **asked))
    text = await text_of(engine, chat("Hello", **asked, frequency_penalty=2, presence_penalty=2))
    assert text != plain


async def test_a_long_prompt_is_read_in_pieces_while_answers_go_on(engine: LlamaCppEngine) -> None:
    stepwise = load(bundled_model(), {"n_batch": 16}, concurrency=4)
    try:
        prompt = "Copy these words again and again. " * 60
        wanted = await text_of(engine, ask(prompt, max_tokens=20))
        running = stepwise.generate(chat("Hello", ignore_eos=True, max_tokens=500))
        await anext(running)
        reading = asyncio.create_task(text_of(stepwise, ask(prompt, max_tokens=20)))
        between = 0
        async for chunk in running:
            between += chunk.tokens
            if reading.done():
                break
        await running.aclose()
        assert await reading == wanted
        assert between > 20  # one for each piece of the prompt
    finally:
        await stepwise.close()


async def test_a_full_cache_makes_requests_wait_and_never_hang(engine: LlamaCppEngine) -> None:
    small = load(bundled_model(), {"kv_cache_tokens": 150}, concurrency=8)
    try:
        asked = [chat(one, max_tokens=60, ignore_eos=True) for one in QUESTIONS]
        wanted = await asyncio.gather(*(text_of(engine, one) for one in asked))
        async with asyncio.timeout(60):
            got = await asyncio.gather(*(text_of(small, one) for one in asked))
        assert got == wanted
        assert used(small) == 0
        with pytest.raises(ContextLengthError, match=r"whole key-value cache.*150 tokens"):
            await answer(small, chat("Hello", max_tokens=200))
        _, last = await answer(small, chat("Hello", ignore_eos=True))
        assert last.usage is not None
        assert last.usage.input_tokens + last.usage.output_tokens == 150
    finally:
        await small.close()


async def test_what_does_not_fit_is_refused(engine: LlamaCppEngine) -> None:
    with pytest.raises(ContextLengthError, match=f"max_tokens is {WINDOW}"):
        await answer(engine, chat("Hello", max_tokens=WINDOW))
    with pytest.raises(ContextLengthError, match=str(WINDOW)):
        await answer(engine, ask("again and again " * 2000))
    with pytest.raises(InvalidRequestError, match="The prompt is empty"):
        await answer(engine, ask(""))
    with pytest.raises(InvalidRequestError, match="either messages or a prompt"):
        await answer(engine, GenerateRequest(request_id="empty"))
    with pytest.raises(InvalidRequestError, match="top_p is 0; it must be"):
        await answer(engine, chat("Hello", top_p=0))


async def test_meta(engine: LlamaCppEngine) -> None:
    meta = engine.meta()
    assert meta["backend"] == "llama_cpp"
    assert meta["max_model_len"] == meta["context_length"] == WINDOW
    assert meta["architectures"] == ["llama"]
    assert meta["quantization"] == "F16"
    assert meta["parameters"] > 1_000_000
    assert meta["support_stream"] is meta["support_chat_template"] is True
