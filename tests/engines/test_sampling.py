"""Choosing tokens row by row, against the library's own processors as the reference."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers import (
    LogitsProcessorList,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from byzer_lab.engines.plan import GenerationPlan, Recipe
from byzer_lab.engines.transformers.sampling import RequestSampler, mark_choices

VOCABULARY = 1500  # more than the number of candidates that top_p looks at first


def sampler(prompt: list[int] | None = None, **recipe: Any) -> RequestSampler:
    plan = GenerationPlan("test", prompt or [1], 10, frozenset(), Recipe(**recipe))
    return RequestSampler(plan)


def choose(logits: torch.Tensor, samplers: list[RequestSampler]) -> list[int]:
    logits = logits.clone()
    mark_choices(logits, samplers)
    return [int(token) for token in logits.argmax(dim=-1)]


def reference(logits: torch.Tensor, **recipe: Any) -> torch.Tensor:
    """Probabilities that the library would draw from."""
    warpers = LogitsProcessorList([TemperatureLogitsWarper(recipe["temperature"])])
    if recipe.get("top_k"):
        warpers.append(TopKLogitsWarper(recipe["top_k"]))
    if recipe.get("top_p"):
        warpers.append(TopPLogitsWarper(recipe["top_p"]))
    if recipe.get("min_p"):
        warpers.append(MinPLogitsWarper(recipe["min_p"]))
    return warpers(torch.tensor([[1]]), logits.clone()).softmax(dim=-1)[0]


RECIPES: list[dict[str, Any]] = [
    {"temperature": 1.0},
    {"temperature": 0.5},
    {"temperature": 0.8, "top_k": 5},
    {"temperature": 1.0, "top_p": 0.7},
    {"temperature": 1.0, "min_p": 0.2},
    {"temperature": 1.3, "top_k": 20, "top_p": 0.8, "min_p": 0.05},
    {"temperature": 1.0, "top_k": 1},
    {"temperature": 1.0, "top_k": 10 * VOCABULARY, "top_p": 0.999},
]


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("spread", [3.0, 0.1])
def test_draws_follow_the_librarys_distribution(recipe: dict[str, Any], spread: float) -> None:
    torch.manual_seed(1)
    logits = torch.randn(1, VOCABULARY) * spread
    wanted = reference(logits, **recipe)
    draws = 2000
    made = choose(logits.expand(draws, -1), [sampler(seed=n, **recipe) for n in range(draws)])
    counts = torch.bincount(torch.tensor(made), minlength=VOCABULARY)
    assert counts[wanted == 0].sum() == 0
    # Compared over 20 groups of neighbours in likelihood, where chance evens out.
    order = wanted.argsort(descending=True)
    for group in order[: int((wanted > 0).sum())].chunk(20):
        share = float(wanted[group].sum())
        error = 5 * (share * (1 - share) / draws) ** 0.5
        assert float(counts[group].sum()) / draws == pytest.approx(share, abs=error + 1e-3)


def test_each_row_follows_its_own_settings_and_nobody_elses() -> None:
    torch.manual_seed(2)
    logits = torch.randn(5, VOCABULARY) * 3
    settings: list[dict[str, Any]] = [
        {},
        {"temperature": 1.0, "seed": 7},
        {"temperature": 0.7, "top_p": 0.9, "seed": 8},
        {"temperature": 1.0, "top_k": 3, "seed": 9},
        {"repetition_penalty": 2.0},
    ]
    together = choose(logits, [sampler(**one) for one in settings])
    alone = [choose(logits[n : n + 1], [sampler(**one)])[0] for n, one in enumerate(settings)]
    backwards = choose(logits.flip(0), [sampler(**one) for one in reversed(settings)])
    assert together == alone == backwards[::-1]
    assert together[0] == int(logits[0].argmax())


def test_rows_of_nobody_and_greedy_rows_are_left_alone() -> None:
    logits = torch.randn(3, 50)
    before = logits.clone()
    mark_choices(logits, [sampler(), sampler()])
    assert torch.equal(logits, before)
    mark_choices(logits, [sampler(temperature=1.0)])
    assert torch.equal(logits[1:], before[1:])


def test_repetition_penalty_is_the_librarys() -> None:
    torch.manual_seed(3)
    prompt = [3, 4, 4, 9]
    penalty = RepetitionPenaltyLogitsProcessor(1.7)
    mine = sampler(prompt, repetition_penalty=1.7)
    said = list(prompt)
    for _ in range(20):
        logits = torch.randn(1, 40)
        wanted = int(penalty(torch.tensor([said]), logits.clone()).argmax())
        assert choose(logits, [mine]) == [wanted]
        said.append(wanted)


def test_presence_and_frequency_penalties_count_the_answer_alone() -> None:
    logits = torch.tensor([[1.0, 0.8, 0.3]])
    presence = sampler([0, 1], presence_penalty=0.5)
    assert [choose(logits, [presence])[0] for _ in range(4)] == [0, 1, 0, 0]
    frequency = sampler([0, 1], frequency_penalty=0.5)
    assert [choose(logits, [frequency])[0] for _ in range(5)] == [0, 1, 0, 1, 2]


def test_a_copy_goes_on_where_the_request_was() -> None:
    mine = sampler(temperature=1.0, seed=1)
    assert copy.deepcopy({"sampler": mine})["sampler"] is mine


def test_logits_that_are_no_numbers_do_not_end_the_batch() -> None:
    logits = torch.full((1, 10), float("nan"))
    assert 0 <= choose(logits, [sampler(temperature=1.0, top_p=0.5)])[0] < 10
