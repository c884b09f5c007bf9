"""A request that was checked: its tokens, its limits, and how to choose each token.

Every local backend that writes text makes one of these of a request, and samples by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from byzer_lab.engines.logprobs import Notes
from byzer_lab.engines.structured.constraint import Constraint

GREEDY_BELOW = 1e-5


@dataclass(frozen=True)
class Recipe:
    """How to choose tokens, with every default filled in.

    Attributes:
        temperature: 0 takes the likeliest token.
        top_k: Only the k likeliest tokens; 0 for all.
        top_p: Smallest set of tokens with at least this probability.
        min_p: Drops tokens less likely than this share of the likeliest.
        repetition_penalty: Divides the logits of tokens of the prompt and the answer.
        presence_penalty: Subtracted once from the logits of tokens of the answer.
        frequency_penalty: Subtracted once per time a token stands in the answer.
        seed: Start of the request's own random numbers; ``None`` for fresh ones.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None

    @property
    def penalises(self) -> bool:
        """Whether what was said before changes what comes next."""
        return (
            self.repetition_penalty != 1.0
            or self.presence_penalty != 0.0
            or self.frequency_penalty != 0.0
        )


@dataclass(frozen=True)
class GenerationPlan:
    """One request, ready to run.

    Attributes:
        request_id: The caller's name for it.
        prompt: Tokens of the prompt.
        max_tokens: Most tokens of the answer.
        end_tokens: Tokens that end the answer.
        recipe: How to choose tokens.
        notes: Where their probabilities are noted; ``None`` when nobody asks for them.
        adapter: Name of the adapter that answers; ``None`` for the model itself.
        constraint: What holds the answer to a schema or to calls; ``None`` when it is free.
        inputs: What the model is given beside the prompt, such as the numbers of pictures.
    """

    request_id: str
    prompt: list[int]
    max_tokens: int
    end_tokens: frozenset[int]
    recipe: Recipe
    notes: Notes | None = None
    adapter: str | None = None
    constraint: Constraint | None = None
    inputs: dict[str, Any] | None = None
