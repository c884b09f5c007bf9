"""The embedding and the rerank engine against the library itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from byzer_lab.engines.sentence_transformers import EmbeddingEngine, RerankEngine
from byzer_lab.errors import (
    EngineDeadError,
    EngineError,
    InvalidRequestError,
)
from byzer_lab.vectors import EmbedAnswer, RerankRequest
from tests.support.encoders import CONTEXT, embed, load_encoder, vectors

WORDS = ["the", "quick", "brown", "fox", "lazy", "dog", "panda", "bear", "models", "tables"]


def texts_of(count: int, longest: int = 40) -> list[str]:
    """Texts of many lengths, no two alike."""
    rng = random.Random(7)
    return [
        f"{place} " + " ".join(rng.choices(WORDS, k=rng.randint(1, longest)))
        for place in range(count)
    ]


@pytest.fixture(scope="module")
def embedder(bert: Path) -> Iterator[EmbeddingEngine]:
    engine = load_encoder(bert)
    yield engine
    asyncio.run(engine.close())


@pytest.fixture(scope="module")
def scorer(reranker: Path) -> Iterator[RerankEngine]:
    engine = load_encoder(reranker, "custom/bge_rerank")
    yield engine
    asyncio.run(engine.close())


def test_vectors_equal_the_librarys_in_order(embedder: EmbeddingEngine, bert: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = texts_of(150)
    expected = SentenceTransformer(str(bert), device="cpu").encode(texts, batch_size=1)
    answer = asyncio.run(embed(embedder, texts))
    np.testing.assert_allclose(vectors(answer), expected, atol=1e-5)
    assert answer.usage.input_tokens == sum(answer.tokens)
    assert not any(answer.truncated)


def test_64_requests_at_a_time_each_get_their_own(embedder: EmbeddingEngine, bert: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = texts_of(192)
    requests = [texts[start : start + 3] for start in range(0, len(texts), 3)]

    async def ask() -> list[EmbedAnswer]:
        return await asyncio.gather(*(embed(embedder, request) for request in requests))

    answers = asyncio.run(ask())
    expected = SentenceTransformer(str(bert), device="cpu").encode(texts, batch_size=1)
    found = np.concatenate([vectors(answer) for answer in answers])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_pass_holds_texts_of_like_length_from_many_requests(bert: Path) -> None:
    engine = load_encoder(bert, max_batch_tokens=256, batch_size=16)
    passes: list[list[str]] = []
    run = engine._batches._run
    engine._batches._run = lambda inputs, options: passes.append(inputs) or run(inputs, options)

    async def ask() -> None:
        await asyncio.gather(*(embed(engine, [text]) for text in texts_of(100)))
        await engine.close()

    asyncio.run(ask())
    assert sum(map(len, passes)) == 100
    assert max(map(len, passes)) > 4
    counter = load_encoder(bert)._counter
    for inputs in passes:
        tokens = counter.count(inputs)
        assert len(inputs) <= 16
        assert len(inputs) == 1 or max(tokens) * len(inputs) <= 256


def test_normalisation_is_by_type_and_by_request(embedder: EmbeddingEngine, bert: Path) -> None:
    def lengths(engine: EmbeddingEngine, **options: Any) -> Any:
        return np.linalg.norm(
            vectors(asyncio.run(embed(engine, ["a panda", "b"], **options))), axis=1
        )

    assert (lengths(embedder) > 2).all()
    np.testing.assert_allclose(lengths(embedder, normalize=True), 1, atol=1e-5)
    as_bge = load_encoder(bert, "custom/bge")
    np.testing.assert_allclose(lengths(as_bge), 1, atol=1e-5)
    assert (lengths(as_bge, normalize=False) > 2).all()


def test_a_long_text_is_cut_as_the_library_does_and_the_answer_says_so(
    embedder: EmbeddingEngine, bert: Path
) -> None:
    from sentence_transformers import SentenceTransformer

    long = "panda " * 500
    answer = asyncio.run(embed(embedder, [long, "panda"]))
    assert answer.truncated == [True, False]
    assert answer.tokens[0] == CONTEXT
    expected = SentenceTransformer(str(bert), device="cpu").encode([long, "panda"])
    np.testing.assert_allclose(vectors(answer), expected, atol=1e-5)
    cut = asyncio.run(embed(embedder, ["the quick brown fox", "dog"], max_length=4))
    assert cut.tokens[0] == 4
    assert cut.truncated[0]
    same = asyncio.run(embed(embedder, ["the quick"]))
    np.testing.assert_allclose(vectors(cut)[0], vectors(same)[0], atol=1e-5)


def test_scores_are_the_librarys_without_its_sigmoid(scorer: RerankEngine, reranker: Path) -> None:
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    texts = texts_of(60, longest=20)
    pairs = list(zip(texts[:30], texts[30:], strict=True))

    async def ask() -> list[float]:
        parts = (RerankRequest(str(at), pairs[at : at + 3]) for at in range(0, 30, 3))
        answers = await asyncio.gather(*map(scorer.rerank, parts))
        return [score for answer in answers for score in answer.scores]

    model = CrossEncoder(str(reranker), device="cpu")
    expected = model.predict(pairs, batch_size=1, activation_fn=Identity())
    np.testing.assert_allclose(asyncio.run(ask()), expected, atol=1e-4)
    assert len(set(np.round(expected, 4))) > 10
    (cut,) = asyncio.run(scorer.rerank(RerankRequest("x", [("a", "panda " * 500)]))).truncated
    assert cut


def test_a_cancelled_request_is_never_run(embedder: EmbeddingEngine) -> None:
    ran: list[str] = []
    batches: Any = embedder._batches
    run = batches._run

    def slow(inputs: list[str], options: Any) -> Any:
        time.sleep(0.2)
        ran.extend(inputs)
        return run(inputs, options)

    async def ask() -> None:
        first = asyncio.create_task(embed(embedder, ["first"]))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(embed(embedder, ["second"]))
        third = asyncio.create_task(embed(embedder, ["third"]))
        await asyncio.sleep(0.05)
        second.cancel()
        await asyncio.gather(first, third)
        assert second.cancelled()

    batches._run = slow
    try:
        asyncio.run(ask())
    finally:
        batches._run = run
    assert ran == ["first", "third"]


def test_a_failing_pass_fails_its_requests_and_not_the_engine(
    embedder: EmbeddingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(error: Exception) -> EngineError:
        def broken(*_: Any, **__: Any) -> Any:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(embedder._model, "encode", broken)
            with pytest.raises(EngineError) as caught:
                asyncio.run(embed(embedder, ["a", "b"]))
        return caught.value

    assert "no such kernel" in failing(RuntimeError("no such kernel")).message
    assert asyncio.run(embed(embedder, ["a"])).vectors
    dead = failing(torch.AcceleratorError("device-side assert"))
    assert isinstance(dead, EngineDeadError)
    assert "device-side assert" in dead.message


def test_a_score_that_is_no_number_is_an_error(
    scorer: RerankEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorer._model, "predict", lambda *_, **__: [float("nan")])
    with pytest.raises(EngineError, match="no number"):
        asyncio.run(scorer.rerank(RerankRequest("x", [("a", "b")])))


def test_requests_that_mean_nothing(embedder: EmbeddingEngine, scorer: RerankEngine) -> None:
    def refused(texts: list[str], **options: Any) -> str:
        with pytest.raises(InvalidRequestError) as caught:
            asyncio.run(embed(embedder, texts, **options))
        return caught.value.message

    assert "texts is empty" in refused([])
    assert "Text 2 of 2 is empty" in refused(["a", " "])
    assert "max_length is 1" in refused(["a"], max_length=1)
    assert "batch_size is 0" in refused(["a"], batch_size=0)
    with pytest.raises(InvalidRequestError, match="pairs is empty"):
        asyncio.run(scorer.rerank(RerankRequest("x", [])))


def test_a_closed_engine_says_so_and_closes_twice(bert: Path) -> None:
    async def ask() -> None:
        engine = load_encoder(bert)
        await engine.close()
        await engine.close()
        with pytest.raises(EngineError, match="shut down"):
            await embed(engine, ["a"])

    asyncio.run(ask())


def test_meta(embedder: EmbeddingEngine, scorer: RerankEngine) -> None:
    meta = embedder.meta()
    assert (meta["embedding_mode"], meta["dimensions"], meta["max_model_len"]) == (
        True,
        64,
        CONTEXT,
    )
    assert meta["architectures"] == ["BertModel"]
    assert (meta["device"], meta["dtype"]) == ("cpu", "float32")
    assert scorer.meta()["rerank_mode"]
    assert scorer.meta()["max_model_len"] == CONTEXT
