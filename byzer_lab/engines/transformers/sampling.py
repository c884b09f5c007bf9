"""Chooses the next token of every request of a batch, each by its own settings.

Works on the logits of one step, a row per request. Greedy rows cost nothing. A sampled row takes
one number from the request's own random source and looks it up in the distribution that is left
after temperature, top_k, top_p and min_p, in this order, as ``generate`` does. So a seed gives the
same answer on every device and whatever else is in the batch, up to rounding of the logits.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import torch

from byzer_lab.engines.plan import GenerationPlan, Recipe
from byzer_lab.engines.structured.constraint import Constraint
from byzer_lab.engines.structured.masks import BIASES, MasksAhead, biases, packed_masks

# top_k and top_p are looked up among this many likeliest tokens; sorting a whole vocabulary of
# 150,000 at each step would cost more than a small model.
_CANDIDATES = 1024


class RequestSampler:
    """What choosing tokens needs to remember about one request.

    Args:
        plan: The request.
        penalise_prompt: The prompt's tokens count as seen for the repetition penalty.
    """

    def __init__(self, plan: GenerationPlan, *, penalise_prompt: bool = True) -> None:
        self.recipe: Recipe = plan.recipe
        self.notes = plan.notes
        self.adapter = plan.adapter
        self.constraint = plan.constraint
        self._random = random.Random(plan.recipe.seed)
        self._prompt = plan.prompt if penalise_prompt else []
        self._counts: Any = None  # of each token in the answer, on the logits' device
        self._seen: Any = None  # tokens of prompt and answer

    def __deepcopy__(self, memo: dict[int, Any]) -> RequestSampler:
        # The scheduler copies a request that it puts back into the queue; it goes on where it was.
        return self

    @property
    def is_plain(self) -> bool:
        """The likeliest token as the model gave it, and nobody asks how likely: nothing to do."""
        return (
            self.recipe.temperature == 0
            and not self.recipe.penalises
            and self.notes is None
            and self.constraint is None
        )

    def uniform(self) -> float:
        """The request's next random number, in [0, 1)."""
        return self._random.random()

    def penalise(self, logits: Any) -> None:
        """Apply the penalties to one row, in place."""
        recipe = self.recipe
        if not recipe.penalises:
            return
        if self._counts is None:
            self._counts = torch.zeros_like(logits)
            self._seen = torch.zeros_like(logits, dtype=torch.bool)
            self._seen[torch.tensor(self._prompt, dtype=torch.long)] = True
        if recipe.repetition_penalty != 1.0:
            penalty = recipe.repetition_penalty
            weaker = torch.where(logits > 0, logits / penalty, logits * penalty)
            logits.copy_(torch.where(self._seen, weaker, logits))
        logits -= self._counts * recipe.frequency_penalty
        logits -= (self._counts > 0) * recipe.presence_penalty

    def note(self, token: int) -> None:
        """Remember a token that was chosen."""
        if self.constraint is not None:
            self.constraint.take(token)
        if self._counts is not None:
            self._counts[token] += 1
            self._seen[token] = True


def mark_choices(
    logits: Any, samplers: Sequence[RequestSampler], ahead: MasksAhead | None = None
) -> None:
    """Make the chosen token of each row its greatest logit, in place.

    Args:
        logits: Float32, a row per request; rows beyond ``samplers`` are left alone.
        samplers: Of the requests, in the order of the rows.
        ahead: Has begun the masks of this step's constraints.
    """
    busy = [row for row, sampler in enumerate(samplers) if not sampler.is_plain]
    if not busy:
        return
    chosen_by = [samplers[row] for row in busy]
    # The rows themselves, not a copy, where all are busy.
    rows = logits[: len(busy)] if len(busy) == len(samplers) else logits[busy]
    noting = [row for row, sampler in enumerate(chosen_by) if sampler.notes is not None]
    own = rows[noting] if noting else None  # a copy, as the model gave them
    for row, sampler in zip(rows, chosen_by, strict=True):
        sampler.penalise(row)
    _hold(rows, [sampler.constraint for sampler in chosen_by], ahead)
    tokens = _choose(rows, chosen_by)
    logits[busy, tokens] = float("inf")
    if own is not None:
        _note_probabilities(
            own, [tokens[row] for row in noting], [chosen_by[row].notes for row in noting]
        )
    for token, sampler in zip(tokens, chosen_by, strict=True):
        sampler.note(token)


def _hold(logits: Any, constraints: Sequence[Constraint | None], ahead: MasksAhead | None) -> None:
    """Leave the held rows only the tokens that may come next, in place."""
    held = [row for row, one in enumerate(constraints) if one is not None]
    if not held:
        return
    width = logits.shape[-1]
    found = [one for one in constraints if one is not None]
    expand = not logits.is_cuda  # there a bit each travels, and becomes numbers on the device
    if ahead is not None:
        made = ahead.take(found, width, expand)
    else:
        made = packed_masks(found, width, torch.get_num_threads())
        made = biases(made, width) if expand else made
    if expand:
        bias = torch.from_numpy(made)
    else:
        table = torch.from_numpy(BIASES).to(logits.device)
        places = torch.from_numpy(made).to(logits.device).int()
        bias = table[places].flatten(1)[:, :width]
    if len(held) == len(constraints):
        logits += bias
    else:
        logits[held] += bias


def _note_probabilities(logits: Any, tokens: list[int], notes: list[Any]) -> None:
    """Note each row's token and its likeliest ones.

    Args:
        logits: Float32, a row per request, before penalties and temperature.
        tokens: What was chosen of each row.
        notes: Of the requests.
    """
    whole = logits.logsumexp(dim=-1)
    chosen = logits.gather(1, torch.tensor(tokens, device=logits.device).unsqueeze(1)).squeeze(1)
    logprobs = (chosen - whole).tolist()
    most = min(logits.shape[-1], max(note.alternatives for note in notes))
    best, places = logits.topk(most, dim=-1)
    values, others = (best - whole.unsqueeze(1)).tolist(), places.tolist()
    for row, note in enumerate(notes):
        top = zip(others[row][: note.alternatives], values[row], strict=False)
        note.add(tokens[row], logprobs[row], top)


def _choose(logits: Any, samplers: Sequence[RequestSampler]) -> list[int]:
    tokens: list[int] = logits.argmax(dim=-1).tolist()
    free: list[int] = []
    cut: list[int] = []
    for row, sampler in enumerate(samplers):
        if sampler.recipe.temperature > 0:
            narrow = sampler.recipe.top_k > 0 or sampler.recipe.top_p < 1
            (cut if narrow else free).append(row)
    for rows, among in ((free, None), (cut, _CANDIDATES)):
        if rows:
            drawn = _draw(logits[rows], [samplers[row] for row in rows], among)
            for row, token in zip(rows, drawn, strict=True):
                tokens[row] = token
    return tokens


def _draw(logits: Any, samplers: Sequence[RequestSampler], among: int | None) -> list[int]:
    """Draw one token per row.

    Args:
        logits: A row per request.
        samplers: Their settings and random numbers.
        among: Look for top_k and top_p among this many likeliest tokens; ``None`` when no row
            sets them.
    """
    recipes = [sampler.recipe for sampler in samplers]

    def column(values: list[float]) -> Any:
        return torch.tensor(values, dtype=torch.float64, device=logits.device).unsqueeze(1)

    scaled = logits.double() / column([recipe.temperature for recipe in recipes])
    greatest = scaled.max(dim=-1, keepdim=True).values
    # Shares of the likeliest token: no division is needed until a number is drawn.
    if among is None:
        share, tokens = (scaled - greatest).exp(), None
    else:
        share, tokens = _cut(scaled - greatest, recipes, column, among)
    share = share * (share >= column([recipe.min_p for recipe in recipes]))
    reached = share.cumsum(dim=-1)
    # Just below the sum, so that rounding can't step past the last token that is left.
    target = column([sampler.uniform() for sampler in samplers]) * reached[:, -1:] * (1 - 1e-12)
    place = torch.searchsorted(reached, target, right=True)
    # Only logits that are no numbers can lead beyond the end; they must not end the whole batch.
    place = place.clamp(max=reached.shape[-1] - 1)
    chosen = place if tokens is None else tokens.gather(1, place)
    drawn: list[int] = chosen.squeeze(1).tolist()
    return drawn


def _cut(scaled: Any, recipes: list[Recipe], column: Any, among: int) -> tuple[Any, Any]:
    """Shares of the tokens that top_k and top_p leave, likeliest first, and which tokens they are.

    Args:
        scaled: Logits after temperature, less the greatest of their row.
        recipes: Of the rows.
        column: Makes a column of one number per row.
        among: How many likeliest tokens to look at.
    """
    vocabulary = scaled.shape[-1]
    among = min(vocabulary, max(among, *(recipe.top_k for recipe in recipes)))
    best, tokens = scaled.topk(among, dim=-1)
    share = best.exp()
    top_k = column([recipe.top_k or vocabulary for recipe in recipes])
    share = share * (torch.arange(among, device=share.device) < top_k)
    everything = scaled.exp().sum(dim=-1, keepdim=True)
    whole = torch.where(top_k < vocabulary, share.sum(dim=-1, keepdim=True), everything)
    wanted = column([recipe.top_p for recipe in recipes]) * whole
    before = share.cumsum(dim=-1) - share
    complete = (before[:, -1:] + share[:, -1:] >= wanted) | (top_k < vocabulary)
    if among < vocabulary and not bool(complete.all()):
        return _cut(scaled, recipes, column, vocabulary)
    return share * (before < wanted), tokens
