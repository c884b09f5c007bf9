"""The loss on labelled positions alone is the whole head's, gradients too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from byzer_lab.bundled import bundled_model
from byzer_lab.training.sft import head


@pytest.fixture
def model() -> Any:
    return AutoModelForCausalLM.from_pretrained(bundled_model(), dtype=torch.float32)


def batch(vocabulary: int) -> tuple[dict[str, Any], Any]:
    torch.manual_seed(0)
    tokens = torch.randint(0, vocabulary, (3, 40))
    mask = torch.ones_like(tokens)
    mask[1, 25:] = mask[2, 10:] = 0
    labels = tokens.clone()
    labels[:, :8] = labels[0, 15:20] = -100
    labels[mask == 0] = -100
    return {"input_ids": tokens, "attention_mask": mask}, labels


@pytest.mark.parametrize("parts", [False, True])
def test_loss_and_gradients(model: Any, parts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, labels = batch(model.config.vocab_size)
    count = int((labels[:, 1:] != -100).sum())
    whole = model(**inputs, labels=labels).loss
    whole.backward()
    expected = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()
    if parts:
        monkeypatch.setattr(head, "_MOST_NUMBERS", 10 * model.config.vocab_size)
    assert head.fits(model)
    head.put_head(model)
    loss = model(**inputs, **{head.ARGUMENT: labels})["loss"] / count
    loss.backward()
    assert loss.item() == pytest.approx(whole.item(), rel=1e-5)
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, expected[name], rtol=1e-3, atol=1e-6)
    again = model(**inputs, labels=labels)  # who asks for more gets it as before
    assert again.logits.shape == (3, 40, model.config.vocab_size)
    assert again.loss.item() == pytest.approx(whole.item(), rel=1e-5)


def test_a_batch_without_labels_gives_nothing(model: Any) -> None:
    inputs, labels = batch(model.config.vocab_size)
    head.put_head(model)
    loss = model(**inputs, **{head.ARGUMENT: torch.full_like(labels, -100)})["loss"]
    loss.backward()
    assert loss.item() == 0


def test_models_whose_logits_are_more_than_the_heads(model: Any) -> None:
    model.config.final_logit_softcapping = 30.0
    assert not head.fits(model)
