"""The infer parameters of embedding and rerank models."""

from __future__ import annotations

from dataclasses import dataclass

from byzer_lab.schema import parameter


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
    use_fp16: bool = parameter(
        False, "Byzer-LLM's name for dtype float16 on a GPU; a processor goes by dtype."
    )
    attn_implementation: str | None = parameter(
        None, "The library's name of an attention kernel, such as flash_attention_2."
    )
    max_model_len: int | None = parameter(
        None,
        "Texts are cut to this length; by default the model's own limit.",
        unit="tokens",
        least=4,
    )
    num_threads: int | None = parameter(
        None, "Processor threads of one worker; by default a share of the machine.", least=1
    )
    batch_size: int = parameter(64, "Most texts, or pairs, of one pass through the model.", least=1)
    max_batch_tokens: int | None = parameter(
        None,
        "Most tokens of one pass, padding included; by default 2048 on a processor and 32768 on a "
        "GPU. A single longer text has a pass of its own.",
        unit="tokens",
        least=1,
    )
