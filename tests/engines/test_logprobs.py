"""Logarithmic probabilities: one per token, the model's own, on every way through the engines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Chunk, GenerateRequest, Message, TokenLogprob
from tests.engines.conftest import ask, load_engine

KINDS: list[dict[str, Any]] = [
    {"logprobs": 3},
    {"logprobs": 0},
    {"logprobs": 20, "temperature": 1.3, "seed": 3},
    {"logprobs": 2, "temperature": 0.8, "top_k": 8, "top_p": 0.9, "seed": 4},
    {"logprobs": 1, "repetition_penalty": 1.5, "frequency_penalty": 1.0, "presence_penalty": 1.0},
    {"logprobs": 4, "stop": ["e"]},
    {},
]


async def chunks_of(engine: Any, request: GenerateRequest) -> list[Chunk]:
    return [chunk async for chunk in engine.generate(request)]


def logprobs_of(chunks: list[Chunk]) -> list[TokenLogprob]:
    """All entries; one for each token of each chunk."""
    for chunk in chunks:
        assert len(chunk.logprobs) == chunk.tokens
    return [entry for chunk in chunks for entry in chunk.logprobs]


def check(
    model: Any,
    prompt: list[int],
    entries: list[TokenLogprob],
    alternatives: int,
    near: float = 1e-3,
) -> None:
    """Compare with the library's own log_softmax over the same tokens."""
    tokens = [entry.token for entry in entries]
    with torch.no_grad():
        logits = model(torch.tensor([prompt + tokens])).logits[0].float()
    wanted = logits.log_softmax(dim=-1)[len(prompt) - 1 : -1]
    for row, entry in zip(wanted, entries, strict=True):
        assert entry.logprob == pytest.approx(float(row[entry.token]), abs=near)
        assert len(entry.top) == alternatives
        best = row.topk(alternatives).values.tolist()
        assert [one.logprob for one in entry.top] == pytest.approx(best, abs=near)
        for one in entry.top:
            assert one.logprob == pytest.approx(float(row[one.token]), abs=near)
            assert one.top == []


@pytest.mark.parametrize("family", ["llama", "gptj"])
async def test_they_are_the_models_own_in_a_mixed_batch(
    family: str, request: pytest.FixtureRequest
) -> None:
    engine: TransformersEngine = request.getfixturevalue(family)
    loaded = engine._loaded
    assert loaded is not None
    prompt = loaded.tokenizer.encode("the quick brown")
    asked = [ask("the quick brown", max_tokens=25, ignore_eos=True, **kind) for kind in KINDS]
    answers = await asyncio.gather(*(chunks_of(engine, one) for one in asked))
    for one, chunks in zip(asked, answers, strict=True):
        assert chunks[-1].usage is not None
        entries = [entry for chunk in chunks for entry in chunk.logprobs]
        if one.sampling.logprobs is None:
            assert not entries
            continue
        assert len(logprobs_of(chunks)) == chunks[-1].usage.output_tokens
        check(loaded.model, prompt, entries, one.sampling.logprobs)
        if one.sampling == KINDS[0]:
            assert [entry.top[0].token for entry in entries] == [entry.token for entry in entries]
    plain = await chunks_of(engine, ask("the quick brown", max_tokens=25, ignore_eos=True))
    assert "".join(chunk.text for chunk in plain) == "".join(chunk.text for chunk in answers[0])


async def test_they_survive_a_place_given_back(model_folder: Callable[[str], Path]) -> None:
    small = load_engine(model_folder("llama"), {"num_blocks": 12, "page_size": 8})
    try:
        loaded = small._loaded
        assert loaded is not None
        asked = [ask(word, max_tokens=50, ignore_eos=True, logprobs=2) for word in "abcdef"]
        for one, chunks in zip(
            asked, await asyncio.gather(*(chunks_of(small, one) for one in asked)), strict=True
        ):
            entries = logprobs_of(chunks)
            assert len(entries) == 50
            check(loaded.model, loaded.tokenizer.encode(one.prompt), entries, 2)
    finally:
        await small.close()


@pytest.fixture
async def pair() -> AsyncIterator[tuple[TransformersEngine, Any]]:
    """The bundled model on both backends."""
    pytest.importorskip("llama_cpp")
    from tests.engines.test_llama_cpp import load

    engines = load_engine(bundled_model(), concurrency=4), load(bundled_model())
    yield engines
    for engine in engines:
        await engine.close()


async def test_llama_cpp_tells_those_of_transformers(pair: tuple[TransformersEngine, Any]) -> None:
    transformers, llama_cpp = pair
    loaded = transformers._loaded
    assert loaded is not None
    messages = [Message(role="user", content="Hello")]
    prompt = loaded.tokenizer.encode(
        loaded.tokenizer.apply_chat_template(
            [{"role": "user", "content": messages[0].content}],
            tokenize=False,
            add_generation_prompt=True,
        )
    )
    asked = [ask(messages, max_tokens=60, **kind) for kind in KINDS[:5]]
    answers = await asyncio.gather(*(chunks_of(llama_cpp, one) for one in asked))
    for one, chunks in zip(asked, answers, strict=True):
        check(loaded.model, prompt, logprobs_of(chunks), one.sampling.logprobs or 0, 0.05)
    greedy = logprobs_of(answers[0])
    other = logprobs_of(await chunks_of(transformers, asked[0]))
    assert [(one.token, one.text) for one in greedy] == [(one.token, one.text) for one in other]
    assert greedy[-1].text == "<|im_end|>"
    whole = "".join(chunk.text for chunk in answers[0])
    assert loaded.tokenizer.decode([one.token for one in greedy[:-1]]) == whole


async def test_more_than_20_alternatives_are_refused(llama: TransformersEngine) -> None:
    with pytest.raises(InvalidRequestError, match="logprobs is 21; it must be"):
        await chunks_of(llama, ask("hello", logprobs=21))


async def test_an_adapter_is_refused_where_there_is_none(llama: TransformersEngine) -> None:
    with pytest.raises(InvalidRequestError, match="no adapter 'sql': .* has none.*vllm"):
        await chunks_of(llama, GenerateRequest("one", prompt="hello", adapter="sql"))
