"""Vectors from GGUF models: those of the same weights in transformers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.families import make_engine
from byzer_lab.engines.llama_cpp import LlamaCppEmbeddingEngine
from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.types import TokenizeRequest
from byzer_lab.vectors import EmbedAnswer, EmbedRequest
from tests.support.bert_gguf import write_bert_gguf
from tests.support.encoders import vectors

pytest.importorskip("llama_cpp")

TEXTS = [
    "what is panda?",
    "the quick brown fox jumps over the lazy dog",
    "你好，世界",
    "Byzer Lab answers questions about models, tables and notebooks.",
    "fox",
]
_numbers = itertools.count()


def load(model: Path | str, kind: str = "custom/auto", **params: Any) -> LlamaCppEmbeddingEngine:
    params = {"embedding": "true", "n_threads": 1, **params}
    engine = make_engine("llama_cpp", EngineConfig(str(model), kind, params, 16))
    assert isinstance(engine, LlamaCppEmbeddingEngine)
    engine.load(lambda _: None)
    return engine


async def embed(engine: LlamaCppEmbeddingEngine, texts: list[str], **options: Any) -> EmbedAnswer:
    return await engine.embed(EmbedRequest(f"test-{next(_numbers)}", texts, **options))


@pytest.fixture(scope="module")
def demo() -> Iterator[LlamaCppEmbeddingEngine]:
    engine = load(bundled_model())
    yield engine
    asyncio.run(engine.close())


def hidden_states(folder: Path | str, texts: list[str]) -> list[Any]:
    """The library's last hidden states of each text alone."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for text in texts:
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        found.append(states.numpy())
    return found


async def test_a_writing_model_gives_the_mean_of_its_tokens(demo: LlamaCppEmbeddingEngine) -> None:
    wanted = np.array([states.mean(axis=0) for states in hidden_states(bundled_model(), TEXTS)])
    answer = await embed(demo, TEXTS)
    assert vectors(answer) == pytest.approx(wanted, abs=0.03)
    assert demo.meta()["dimensions"] == wanted.shape[1]
    assert demo.meta()["embedding_mode"] is True
    scaled = vectors(await embed(demo, TEXTS, normalize=True))
    assert np.linalg.norm(scaled, axis=1) == pytest.approx(1)
    lengths = np.linalg.norm(wanted, axis=1, keepdims=True)
    assert scaled == pytest.approx(wanted / lengths, abs=0.01)
    assert answer.usage.input_tokens == sum(answer.tokens)


async def test_many_requests_at_once_get_their_own_vectors(demo: LlamaCppEmbeddingEngine) -> None:
    alone = [vectors(await embed(demo, [text])) for text in TEXTS]
    many = await asyncio.gather(*(embed(demo, [text] * 3) for text in TEXTS * 8))
    for number, answer in enumerate(many):
        for vector in vectors(answer):
            assert vector == pytest.approx(alone[number % len(TEXTS)][0], abs=0.03)
    long = await embed(demo, [f"{text} number {place}" for place in range(300) for text in TEXTS])
    assert len(long.vectors) == 1500


@pytest.mark.parametrize(("pooling", "kind"), [(2, "custom/bge"), (1, "custom/auto")])
async def test_an_encoder_pools_as_its_file_says(
    bert: Path, tmp_path: Path, pooling: int, kind: str
) -> None:
    file = write_bert_gguf(bert, tmp_path / "bert.gguf", pooling)
    texts = [text for text in TEXTS if text.isascii()]
    states = hidden_states(bert, texts)
    wanted = np.array([one[0] if pooling == 2 else one.mean(axis=0) for one in states])
    if kind == "custom/bge":
        wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    engine = load(file, kind)
    try:
        answer = await embed(engine, texts)
        assert answer.tokens == [len(one) for one in states]
        assert vectors(answer) == pytest.approx(wanted, abs=0.01)
        assert engine.meta()["architectures"] == ["bert"]
        short = await embed(engine, [texts[1]], max_length=6)
        assert (short.tokens, short.truncated) == ([6], [True])
    finally:
        await engine.close()


async def test_pooling_can_be_chosen() -> None:
    engine = load(bundled_model(), pooling_type="3")
    try:
        wanted = np.array([states[-1] for states in hidden_states(bundled_model(), TEXTS)])
        assert vectors(await embed(engine, TEXTS)) == pytest.approx(wanted, abs=0.05)
        tokens = await engine.tokenize(TokenizeRequest(TEXTS[0]))
        assert len(tokens.tokens) == (await embed(engine, TEXTS[:1])).tokens[0]
    finally:
        await engine.close()
    with pytest.raises(EngineError, match="not loaded, or was shut down"):
        await embed(engine, TEXTS)


async def test_what_is_refused(demo: LlamaCppEmbeddingEngine, bert: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="texts is empty"):
        await embed(demo, [])
    with pytest.raises(InvalidRequestError, match="Text 2 of 2 is empty"):
        await embed(demo, ["a", " "])
    with pytest.raises(InvalidRequestError, match="max_length is 2"):
        await embed(demo, ["a"], max_length=2)
    with pytest.raises(InvalidRequestError, match="pooling_type is '4'; it must be one of mean"):
        load(bundled_model(), pooling_type="4")
    with pytest.raises(InvalidRequestError, match="lora_path is for models that write text"):
        load(bundled_model(), lora_path="adapter.gguf")
    with pytest.raises(InvalidRequestError, match="set embedding=true as well"):
        make_engine("llama_cpp", EngineConfig("x", "custom/auto", {"pooling_type": "mean"}, 1))
    file = write_bert_gguf(bert, tmp_path / "bert.gguf", 2)
    writing = make_engine("llama_cpp", EngineConfig(str(file), "custom/auto", {}, 1))
    with pytest.raises(InvalidRequestError, match="deploy it with embedding=true"):
        writing.load(lambda _: None)
    scores = write_bert_gguf(bert, tmp_path / "rank.gguf", 4)
    with pytest.raises(InvalidRequestError, match="is a reranker"):
        load(scores)
