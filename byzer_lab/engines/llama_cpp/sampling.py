"""Chooses the next token of a request by its own settings, from one row of logits.

The order is that of the transformers backend: penalties, temperature, top_k, top_p, min_p, then
chance decides among what is left. The library's logits differ in the third digit by what else is
in a step, so a number looked up in the summed probabilities would often fall on a neighbour. Here
each token gets a random number of its own, made from the seed, the place in the answer and the
token, and the greatest sum of logit and number wins (the Gumbel-max trick): the same distribution,
and a seed repeats whatever else is in the batch, unless the two best are as good as equal.
"""

from __future__ import annotations

import math
import random
from typing import Any

import numpy as np

from byzer_lab.engines.logprobs import Notes
from byzer_lab.engines.plan import GenerationPlan, Recipe

# top_k and top_p are looked up among this many likeliest tokens; sorting a whole vocabulary of
# 150,000 at each step would cost more than a small model.
_CANDIDATES = 1024
# Tokens this far behind the likeliest are never drawn; looking at them would only cost time.
_HOPELESS = -40.0


class Sampler:
    """What choosing tokens needs to remember about one request.

    Args:
        plan: The request.
    """

    def __init__(self, plan: GenerationPlan) -> None:
        self._recipe = plan.recipe
        self._notes = plan.notes
        self.constraint = plan.constraint
        self._random = random.Random(plan.recipe.seed)  # a number for each place in the answer
        self._prompt = plan.prompt
        self._counts: Any = None  # of each token in the answer
        self._seen: Any = None  # tokens of prompt and answer

    def choose(self, logits: Any, allowed: Any = None) -> int:
        """The next token.

        Args:
            logits: Float32, of every token of the vocabulary; left as they are.
            allowed: Of every token, whether it may come next; ``None`` when each may.
        """
        recipe = self._recipe
        own = logits
        if recipe.penalises:
            logits = self._penalised(logits)
        if allowed is not None:
            logits = np.where(allowed, logits, np.float32(-np.inf))
        token = int(logits.argmax()) if recipe.temperature == 0 else self._draw(logits)
        if self._notes is not None:
            _note_probabilities(self._notes, own, token)
        if recipe.penalises:
            self._counts[token] += 1
            self._seen[token] = True
        if self.constraint is not None:
            self.constraint.take(token)
        return token

    def _penalised(self, logits: Any) -> Any:
        recipe = self._recipe
        if self._counts is None:
            self._counts = np.zeros(len(logits), dtype=np.float32)
            self._seen = np.zeros(len(logits), dtype=np.bool_)
            self._seen[self._prompt] = True
        logits = logits.copy()
        if recipe.repetition_penalty != 1.0:
            seen = logits[self._seen]
            penalty = np.float32(recipe.repetition_penalty)
            logits[self._seen] = np.where(seen > 0, seen / penalty, seen * penalty)
        logits -= self._counts * np.float32(recipe.frequency_penalty)
        logits -= (self._counts > 0) * np.float32(recipe.presence_penalty)
        return logits

    def _draw(self, logits: Any) -> int:
        recipe = self._recipe
        scaled = logits.astype(np.float64) / recipe.temperature
        scaled -= scaled.max()
        if recipe.top_k > 0 or recipe.top_p < 1:
            tokens = _cut(scaled, recipe, _CANDIDATES)
        else:
            tokens = np.flatnonzero(scaled > _HOPELESS)
        if recipe.min_p > 0:
            tokens = tokens[scaled[tokens] >= math.log(recipe.min_p)]
        place = self._random.getrandbits(64)
        if len(tokens) == 0:
            return int(logits.argmax())  # logits that are no numbers must not end the whole batch
        return int(tokens[(scaled[tokens] + _gumbel(tokens, place)).argmax()])


def _note_probabilities(notes: Notes, logits: Any, token: int) -> None:
    greatest = float(logits.max())
    whole = greatest + math.log(np.exp(logits - greatest, dtype=np.float64).sum())
    top = _likeliest(logits, min(len(logits), notes.alternatives)) if notes.alternatives else []
    notes.add(
        token,
        float(logits[token]) - whole,
        [(int(other), float(logits[other]) - whole) for other in top],
    )


def _likeliest(logits: Any, count: int) -> Any:
    """So many likeliest tokens, likeliest first; of equals, the first comes first."""
    tokens = np.argpartition(logits, len(logits) - count)[len(logits) - count :]
    return tokens[np.lexsort((tokens, -logits[tokens]))]


def _gumbel(tokens: Any, place: int) -> Any:
    """A random number for each token, of Gumbel's distribution, from the token and the place."""
    # Mixes the bits of a counter (splitmix64); wrapping around at 64 bits is meant.
    mixed = tokens.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(place)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    uniform = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53  # never 0 or 1
    return -np.log(-np.log(uniform))


def _cut(scaled: Any, recipe: Recipe, among: int) -> Any:
    """The tokens that top_k and top_p leave.

    Args:
        scaled: Logits after temperature, less the greatest of them.
        recipe: The request's.
        among: How many likeliest tokens to look at.
    """
    vocabulary = len(scaled)
    among = min(vocabulary, max(among, recipe.top_k))
    tokens = _likeliest(scaled, among)
    if 0 < recipe.top_k < vocabulary:
        tokens = tokens[: recipe.top_k]
        share = np.exp(scaled[tokens])
        whole = share.sum()
    else:
        share = np.exp(scaled[tokens])
        whole = np.exp(scaled).sum()
        if len(tokens) < vocabulary and share.sum() < recipe.top_p * whole:
            return _cut(scaled, recipe, vocabulary)
    before = share.cumsum() - share
    return tokens[before < recipe.top_p * whole]
