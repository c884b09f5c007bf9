"""One padded batch with its key-value cache; every rank has the same one.

Rows end at the same column: a prompt has padding on its left, which the attention mask leaves out.
So a row's next token is always the last column, rows can join by padding the shorter side, and
columns that are padding in every row are cut off.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from byzer_lab.engines.deepspeed.protocol import RankSetup
from byzer_lab.engines.transformers.capacity import cache_budget
from byzer_lab.errors import InvalidRequestError

_PLAIN_LAYERS = ("full_attention", "sliding_attention")


def why_not_padded(model: Any) -> str | None:
    """The reason why a model can't run in a padded batch; ``None`` when it can."""
    config = model.config
    if config.is_encoder_decoder:
        return "it has an encoder"
    if model._is_stateful:
        return "its layers keep a state that is no key-value cache"
    layers = getattr(config.get_text_config(), "layer_types", None) or ()
    if any(layer not in _PLAIN_LAYERS for layer in layers):
        return "some of its layers are no plain attention"
    return None


@dataclass
class Step:
    """What all ranks do next, in this order.

    Attributes:
        keep: Rows that stay, in their order; the others leave.
        tokens: The newest token of each row that stays.
        prompts: Of the requests that join, at the end.
    """

    keep: list[int] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    prompts: list[list[int]] = field(default_factory=list)


class PaddedBatch:
    """Rows that run together. For torch's inference mode.

    Args:
        model: On its device; its layers are plain attention.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        accepted = inspect.signature(model.forward).parameters
        self._takes_positions = "position_ids" in accepted
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in accepted else {}
        self._cache: Any = None
        self._mask: Any = None  # of rows and columns: 1 where a token is

    @property
    def rows(self) -> int:
        """How many requests run."""
        return 0 if self._mask is None else int(self._mask.shape[0])

    @property
    def cache_bytes(self) -> int:
        """What the cache takes on this rank."""
        layers = [] if self._cache is None else self._cache.layers
        return sum(int(layer.keys.nbytes + layer.values.nbytes) for layer in layers)

    def run(self, step: Step) -> Any:
        """Do a step.

        Returns:
            Logits of each row's next token, the joining ones last; ``None`` when none is left.
        """
        self._keep(step.keep)
        found = []
        if step.tokens:
            found.append(self._advance(step.tokens))
        if step.prompts:
            found.append(self._join(step.prompts))
        return torch.cat(found) if found else None

    def _keep(self, rows: list[int]) -> None:
        if len(rows) == self.rows:
            return
        if not rows:
            self._cache = self._mask = None
            return
        chosen = torch.tensor(rows, device=self._mask.device)
        self._mask = self._mask[chosen]
        empty = int((self._mask.sum(dim=0) > 0).int().argmax())  # columns without any token
        self._mask = self._mask[:, empty:]
        for layer in self._cache.layers:
            layer.keys = layer.keys[chosen, :, empty:]
            layer.values = layer.values[chosen, :, empty:]

    def _advance(self, tokens: list[int]) -> Any:
        column = torch.tensor(tokens, device=self._mask.device).unsqueeze(1)
        self._mask = torch.cat([self._mask, torch.ones_like(column)], dim=1)
        return self._forward(column, self._mask, self._cache)

    def _join(self, prompts: Sequence[list[int]]) -> Any:
        length = max(map(len, prompts))
        device = self._model.device
        ids = torch.tensor([[0] * (length - len(one)) + one for one in prompts], device=device)
        mask = torch.tensor(
            [[0] * (length - len(one)) + [1] * len(one) for one in prompts], device=device
        )
        cache = DynamicCache()  # of whole layers, also where attention looks at a window only
        logits = self._forward(ids, mask, cache)
        if self._cache is None:
            self._cache, self._mask = cache, mask
        else:
            self._merge(cache, mask)
        return logits

    def _forward(self, ids: Any, mask: Any, cache: Any) -> Any:
        positions = {}
        if self._takes_positions:
            places = (mask.cumsum(dim=1) - 1).clamp(min=0)
            positions["position_ids"] = places[:, -ids.shape[1] :]
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            **positions,
            **self._options,
        )
        return output.logits[:, -1]

    def _merge(self, cache: Any, mask: Any) -> None:
        self._mask = torch.cat(_same_width(self._mask, mask, dim=1))
        for ours, theirs in zip(self._cache.layers, cache.layers, strict=True):
            ours.keys = torch.cat(_same_width(ours.keys, theirs.keys, dim=2))
            ours.values = torch.cat(_same_width(ours.values, theirs.values, dim=2))


def _same_width(first: Any, second: Any, dim: int) -> list[Any]:
    """Both tensors with zeros on the left of the narrower one."""
    width = max(first.shape[dim], second.shape[dim])
    padded = []
    for tensor in (first, second):
        lack = [*tensor.shape]
        lack[dim] = width - tensor.shape[dim]
        padded.append(torch.cat([tensor.new_zeros(lack), tensor], dim=dim))
    return padded


def warm_up(batch: PaddedBatch, setup: RankSetup) -> int:
    """Run a first, tiny request, so that what fails for every request fails here.

    Args:
        batch: Empty, before and after.
        setup: The rank's.

    Returns:
        Tokens that the cache may hold: what the deployment sets, or what the free memory allows.

    Raises:
        InvalidRequestError: The memory is too small for any request.
    """
    prompts = [[1, 2, 3, 4], [1, 2]]
    batch.run(Step(prompts=prompts))
    held = batch.cache_bytes / (len(prompts) * 4)
    batch.run(Step(keep=[0, 1], tokens=[1, 2]))
    batch.run(Step())
    if setup.parameters.max_cache_tokens is not None:
        return setup.parameters.max_cache_tokens
    ranks_beside = setup.local_world if setup.device == "cpu" else 1  # a GPU is a rank's own
    # A rank without a head of its own holds nothing; rank 0, which decides, has the most of them.
    affordable = int(cache_budget(setup.device) / ranks_beside / max(held, 1))
    if affordable < 2:
        raise InvalidRequestError(
            f"There is no memory left for the key-value cache: one token takes {held:.0f} bytes on "
            "each rank. Split the model over more ranks, or set zero_offload."
        )
    return affordable
