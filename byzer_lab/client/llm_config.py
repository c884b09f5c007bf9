"""``llm_config``: what a call says beside its conversation, with Byzer-LLM's names."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import plain_name, read_sampling, spellings
from byzer_lab.schema import given_twice
from byzer_lab.types import GenerateRequest

ADAPTER_NAMES = ("adapter", "adapter_name_or_path", "lora_name")
NO_EFFECT = ("lora_int_id", "stopping_sequences_skip_check_min_length")
"""Names of the original that its own engines needed and ours don't."""
TIMEOUT = "timeout_s"


def read_llm_config(llm_config: Mapping[str, Any]) -> GenerateRequest:
    """A request without its question.

    Args:
        llm_config: Generation parameters (see :func:`byzer_lab.generation.read_sampling`),
            ``request_id`` (default: a new one) and ``adapter``, each also with the prefix
            ``gen.`` or ``generation.``.

    Raises:
        InvalidRequestError: An unknown name, or a value that doesn't fit.
    """
    written = spellings(llm_config)
    if llm_config.get(written.get(TIMEOUT, "")) is not None:
        raise InvalidRequestError(
            f"llm_config: {written[TIMEOUT]} is not taken, because no clock breaks an answer off "
            "here; bound it with max_tokens, or close the stream when you have waited long enough."
        )
    own = (*ADAPTER_NAMES, *NO_EFFECT, TIMEOUT, "request_id")
    kept = {name: value for name, value in llm_config.items() if plain_name(name) not in own}
    named = {plain: llm_config[name] for plain, name in written.items() if name not in kept}
    for name, value in named.items():
        if name not in NO_EFFECT and not (value is None or isinstance(value, str)):
            raise InvalidRequestError(f"llm_config: {name} is {value!r}; it must be a text.")
    adapters = [name for name in ADAPTER_NAMES if named.get(name)]
    if len(adapters) > 1:
        raise given_twice(written[adapters[0]], written[adapters[1]])
    return GenerateRequest(
        request_id=named.get("request_id") or secrets.token_hex(8),
        sampling=read_sampling(kept, beside=("request_id", ADAPTER_NAMES[0])),
        adapter=named[adapters[0]] if adapters else None,
    )
