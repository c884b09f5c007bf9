"""How llama.cpp's logits become tokens: the transformers backend's rules, a seed that repeats."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from byzer_lab.engines.llama_cpp.sampling import Sampler
from byzer_lab.engines.plan import GenerationPlan, Recipe
from byzer_lab.engines.transformers.sampling import RequestSampler, mark_choices

VOCABULARY = 3000


def plan(**recipe: Any) -> GenerationPlan:
    return GenerationPlan("one", [1, 2, 3], 10, frozenset(), Recipe(**recipe))


def logits_of(seed: int, vocabulary: int = VOCABULARY) -> Any:
    return np.random.default_rng(seed).normal(0, 3, vocabulary).astype(np.float32)


def test_greedy_and_penalties_are_the_transformers_backends() -> None:
    for recipe in (
        {},
        {"repetition_penalty": 1.4, "frequency_penalty": 0.7, "presence_penalty": 0.3},
        {"presence_penalty": 2.0},
    ):
        one = plan(**recipe)
        ours, theirs = Sampler(one), RequestSampler(one)
        logits = logits_of(1)
        for step in range(40):
            logits = logits + logits_of(step) * np.float32(0.05)
            row = torch.tensor(logits).unsqueeze(0)
            before = logits.copy()
            mark_choices(row, [theirs])
            assert ours.choose(logits) == int(row.argmax())
            assert (logits == before).all()


@pytest.mark.parametrize(
    "recipe",
    [
        {"temperature": 1.0},
        {"temperature": 2.0, "top_k": 5},
        {"temperature": 1.5, "top_p": 0.7},
        {"temperature": 1.0, "min_p": 0.2},
        {"temperature": 1.2, "top_k": 8, "top_p": 0.9, "min_p": 0.05},
        {"temperature": 3.0, "top_p": 0.99},
    ],
)
def test_tokens_are_drawn_as_often_as_they_are_likely(recipe: dict[str, Any]) -> None:
    """As often as the transformers backend draws them, and no token that it never draws."""
    logits = logits_of(3, 30)
    draws = 3000
    ours, theirs = Sampler(plan(**recipe, seed=1)), RequestSampler(plan(**recipe, seed=2))
    counts = np.zeros((2, 30))
    for _ in range(draws):
        row = torch.tensor(logits).unsqueeze(0)
        mark_choices(row, [theirs])
        counts[0, ours.choose(logits)] += 1
        counts[1, int(row.argmax())] += 1
    assert ((counts[0] == 0) == (counts[1] == 0))[counts.max(axis=0) > 12].all()
    assert np.abs(counts[0] - counts[1]).max() < 6 * np.sqrt(draws / 4)
    spread = np.sqrt(counts.sum(axis=0) + 1)
    assert (np.abs(counts[0] - counts[1]) < 5 * spread).all()


def test_a_seed_survives_the_rounding_of_logits() -> None:
    """A flat distribution over thousands of tokens, disturbed as a batch disturbs it."""
    noise = np.random.default_rng(0)
    ours, again = (Sampler(plan(temperature=2.0, seed=5)) for _ in range(2))
    other = Sampler(plan(temperature=2.0, seed=6))
    same = different = 0
    for step in range(500):
        logits = logits_of(step)
        disturbed = logits + noise.normal(0, 0.001, VOCABULARY).astype(np.float32)
        token = ours.choose(logits)
        same += token == again.choose(disturbed)
        different += token != other.choose(logits)
    assert same >= 496
    assert different > 450


def test_logits_that_are_no_numbers_end_nothing() -> None:
    logits = np.full(VOCABULARY, np.nan, dtype=np.float32)
    for recipe in ({}, {"temperature": 1.0}, {"temperature": 1.0, "top_k": 3, "min_p": 0.1}):
        assert 0 <= Sampler(plan(**recipe, seed=1)).choose(logits) < VOCABULARY


def test_a_wide_nucleus_in_a_large_vocabulary() -> None:
    logits = np.zeros(50_000, dtype=np.float32)
    drawn = {Sampler(plan(temperature=1.0, top_p=0.99, seed=n)).choose(logits) for n in range(50)}
    assert len(drawn) == 50
    assert max(drawn) > 10_000
