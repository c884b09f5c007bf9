"""The loss, computed only where something is trained on.

A model's head makes a number for each token of the vocabulary at each position; the prompt's
positions, and the padding's, need none. On a processor this halves the time of a step.
"""

from __future__ import annotations

import types
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from byzer_lab.training.data.masking import IGNORED

ARGUMENT = "trained_labels"
"""Argument of the model's forward that asks for the loss alone."""
_MOST_NUMBERS = 2**27
"""Logits that are kept for the backward pass; of more, each part is computed twice."""


def fits(model: Any) -> bool:
    """Whether the model's logits are its head's and nothing else.

    Args:
        model: Of the library, without PEFT's layer around it.
    """
    config = model.config.get_text_config()
    special = ("final_logit_softcapping", "logit_scale", "logits_scaling", "output_router_logits")
    return (
        not any(getattr(config, name, None) for name in special)
        and isinstance(model.get_output_embeddings(), torch.nn.Linear)
        and model.base_model is not model
    )


def put_head(model: Any) -> None:
    """Let a model's forward take :data:`ARGUMENT` and return the sum of the losses.

    It is the forward, and not a function beside it, because gradients of several processes are put
    together around it.

    Args:
        model: See :func:`fits`.
    """
    usual = model.forward

    def forward(self: Any, *args: Any, **kwargs: Any) -> Any:
        labels = kwargs.pop(ARGUMENT, None)
        if labels is None:
            return usual(*args, **kwargs)
        told = {name: value for name, value in kwargs.items() if value is not None}
        told.pop("labels", None)
        hidden = self.base_model(*args, **{**told, "use_cache": False}).last_hidden_state
        return {"loss": _summed(hidden, labels, self.get_output_embeddings())}

    model.forward = types.MethodType(forward, model)


def _summed(hidden: Any, labels: Any, head: Any) -> Any:
    """Sum of the losses of all tokens that have a label."""
    following = F.pad(labels[:, 1:], (0, 1), value=IGNORED)
    kept = following != IGNORED
    inputs, targets = hidden[kept], following[kept]
    if inputs.shape[0] * head.out_features <= _MOST_NUMBERS:
        return _loss(inputs, targets, head)
    size = max(1, _MOST_NUMBERS // head.out_features)
    parts = [
        checkpoint(_loss, one, targets[at * size : (at + 1) * size], head, use_reentrant=False)
        for at, one in enumerate(inputs.split(size))
    ]
    return torch.stack(parts).sum()


def _loss(inputs: Any, targets: Any, head: Any) -> Any:
    return F.cross_entropy(head(inputs).float(), targets, reduction="sum")
