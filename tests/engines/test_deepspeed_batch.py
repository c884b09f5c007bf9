"""The padded batch of a rank, in this process: whoever comes and goes, each row is as if alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from byzer_lab.engines.deepspeed.batch import PaddedBatch, Step, why_not_padded
from tests.engines.conftest import make_tokenizer

LONG, SHORT, LATE = [5, 6, 7, 8, 9, 10, 11], [20, 21], [30, 31, 32, 33]


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield


def model_of(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


def alone(model: Any, tokens: list[int]) -> Any:
    return model(torch.tensor([tokens])).logits[0, -1]


def check(model: Any, logits: Any, rows: list[list[int]]) -> None:
    assert logits.shape[0] == len(rows)
    for got, tokens in zip(logits, rows, strict=True):
        torch.testing.assert_close(got, alone(model, tokens), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "gpt_neox", "gptj"])
def test_rows_that_join_and_leave_are_as_if_alone(
    model_folder: Callable[[str], Path], kind: str
) -> None:
    model = model_of(model_folder(kind))
    batch = PaddedBatch(model)
    check(model, batch.run(Step(prompts=[SHORT])), [SHORT])
    # A longer one joins: the first gets padding.
    rows = [[*SHORT, 40], LONG]
    check(model, batch.run(Step(keep=[0], tokens=[40], prompts=[LONG])), rows)
    # A shorter one joins: it gets padding itself.
    rows = [[*SHORT, 40, 41], [*LONG, 50], LATE]
    check(model, batch.run(Step(keep=[0, 1], tokens=[41, 50], prompts=[LATE])), rows)
    # The longest one leaves, and its padding with it.
    width = batch._mask.shape[1]
    rows = [[*SHORT, 40, 41, 42], [*LATE, 60]]
    check(model, batch.run(Step(keep=[0, 2], tokens=[42, 60])), rows)
    assert batch._mask.shape[1] < width
    assert batch.rows == 2
    # All leave, and another one comes.
    check(model, batch.run(Step(prompts=[LONG])), [LONG])
    assert batch.run(Step()) is None
    assert batch.rows == batch.cache_bytes == 0


def test_attention_to_a_window_counts_tokens_and_no_padding(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.MistralConfig(
        vocab_size=len(make_tokenizer()),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=128,
        sliding_window=4,
        initializer_range=0.5,
    )
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    batch = PaddedBatch(model)
    check(model, batch.run(Step(prompts=[SHORT, LONG])), [SHORT, LONG])
    rows = [[*SHORT, 40], [*LONG, 50], LATE]
    check(model, batch.run(Step(keep=[0, 1], tokens=[40, 50], prompts=[LATE])), rows)
    rows = [[*LONG, 50, 51], [*LATE, 60]]
    check(model, batch.run(Step(keep=[1, 2], tokens=[51, 60])), rows)


def test_models_that_no_padded_batch_can_hold_are_known() -> None:
    small: dict[str, Any] = {"vocab_size": 32, "hidden_size": 16, "num_hidden_layers": 1}
    mamba = transformers.AutoModelForCausalLM.from_config(transformers.MambaConfig(**small))
    assert why_not_padded(mamba) == "its layers keep a state that is no key-value cache"
    t5 = transformers.AutoModelForSeq2SeqLM.from_config(
        transformers.T5Config(vocab_size=32, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    )
    assert why_not_padded(t5) == "it has an encoder"
