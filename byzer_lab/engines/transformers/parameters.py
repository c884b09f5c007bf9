"""The infer parameters of the transformers backend, in Byzer-LLM's spellings too."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import parameter, read_parameters

log = logging.getLogger(__name__)

SMALLEST_PAGE = 4
"""The library refuses pages of fewer tokens."""


LEFT_OUT = {
    "message_format": "messages always reach the model's chat template as they are",
    "backend.message_format": "messages always reach the model's chat template as they are",
    "longContextMode": "a model's own config.json says how its positions are scaled",
}
"""Byzer-LLM's names that mean nothing here, where nothing is lost without them."""


@dataclass(frozen=True)
class Parameters:
    """What a deployment may set."""

    trust_remote_code: bool = parameter(
        False,
        "Run Python code that comes with the model.",
        aliases=("backend.trust_remote_code",),
    )
    dtype: str = parameter(
        "auto",
        "Number format of the weights; auto keeps the checkpoint's unless this processor is slow "
        "at it.",
        choices=("auto", "float32", "bfloat16", "float16"),
    )
    attn_implementation: str | None = parameter(
        None, "The library's name of an attention kernel, such as flash_attention_2."
    )
    quantization: str | None = parameter(
        None,
        "Fewer bits per weight: 4 (or true) and 8 are made by bitsandbytes, int8 and int4 by "
        "torchao; gptq and awq say that the checkpoint is of that kind, which is also seen.",
        choices=("4", "8", "true", "false", "int8", "int4", "gptq", "awq"),
        aliases=(
            "quatization",
            "backend.quantization",
            "backend.quatization",
            "infer.bool.load_in_4bit",
        ),
    )
    llm_int8_threshold: float = parameter(
        6.0,
        "With quantization 8: columns with a value beyond this are computed in full precision.",
        least=0,
    )
    adapters: dict[str, str] | None = parameter(
        None, "LoRA adapters that a request may choose: a name and a folder made by PEFT each."
    )
    use_cache: bool = parameter(
        True,
        "Keep keys and values of earlier tokens; without them requests run one at a time and each "
        "token costs as much as the whole text.",
        aliases=("backend.use_cache",),
    )
    max_model_len: int | None = parameter(
        None,
        "Context window; by default the model's own.",
        unit="tokens",
        least=2,
        aliases=("backend.max_model_len",),
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


def read_infer_params(given: Mapping[str, Any]) -> Parameters:
    """Check infer parameters.

    Args:
        given: As the deployment has them.

    Raises:
        InvalidRequestError: An unknown name, or a value that doesn't fit.
    """
    for name in LEFT_OUT.keys() & given.keys():
        log.warning("%s has no effect: %s.", name, LEFT_OUT[name])
    kept = {
        name: _as_text(value) if name in _QUANTIZATION else value
        for name, value in given.items()
        if name not in LEFT_OUT
    }
    parameters = read_parameters(Parameters, kept, "transformers")
    for name, folder in (parameters.adapters or {}).items():
        if not name or not isinstance(folder, str) or not folder:
            raise InvalidRequestError(
                f"adapters has {name!r}: {folder!r}; it must be the name and the folder of each "
                'adapter, such as {"sql": "/models/sql-lora"}.'
            )
    return parameters


_QUANTIZATION = {
    "quantization",
    "quatization",
    "backend.quantization",
    "backend.quatization",
    "infer.bool.load_in_4bit",
}


def _as_text(value: Any) -> Any:
    """Byzer-LLM takes numbers and truth values as well as their texts, in any case."""
    return str(value).lower() if isinstance(value, str | int) else value
