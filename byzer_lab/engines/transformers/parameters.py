"""The infer parameters of the transformers backend."""

from __future__ import annotations

from dataclasses import dataclass

from byzer_lab.schema import parameter

SMALLEST_PAGE = 4
"""The library refuses pages of fewer tokens."""


@dataclass(frozen=True)
class Parameters:
    """What a deployment may set."""

    trust_remote_code: bool = parameter(False, "Run Python code that comes with the model.")
    dtype: str = parameter(
        "auto",
        "Number format of the weights; auto keeps the checkpoint's unless this processor is slow "
        "at it.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    attn_implementation: str | None = parameter(
        None, "The library's name of an attention kernel, such as flash_attention_2."
    )
    max_model_len: int | None = parameter(
        None, "Context window; by default the model's own.", unit="tokens", least=2
    )
    num_threads: int | None = parameter(
        None, "Processor threads of one worker; by default a share of the machine.", least=1
    )
    page_size: int | None = parameter(
        None, "Size of one page of the key-value cache.", unit="tokens", least=SMALLEST_PAGE
    )
    num_blocks: int | None = parameter(
        None, "Pages in the key-value cache; by default by concurrency and memory.", least=1
    )
    max_batch_tokens: int | None = parameter(
        None,
        "What one step may process; a long prompt takes several steps.",
        unit="tokens",
        least=1,
    )
