"""``llm_config``: what a call says beside its conversation, with Byzer-LLM's names."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from byzer_lab.errors import InvalidRequestError
from byzer_lab.generation import plain_name, read_sampling
from byzer_lab.types import GenerateRequest

ADAPTER_NAMES = ("adapter", "adapter_name_or_path", "lora_name")
NO_EFFECT = ("lora_int_id", "stopping_sequences_skip_check_min_length")
"""Names of the original that its own engines needed and ours don't."""


def read_llm_config(llm_config: Mapping[str, Any]) -> GenerateRequest:
    """A request without its question.

    Args:
        llm_config: Generation parameters (see :func:`byzer_lab.generation.read_sampling`),
            ``request_id`` (default: a new one) and ``adapter``, each also with the prefix
            ``gen.`` or ``generation.``.

    Raises:
        InvalidRequestError: An unknown name, or a value that doesn't fit.
    """
    own = (*ADAPTER_NAMES, *NO_EFFECT, "request_id")
    kept = {name: value for name, value in llm_config.items() if plain_name(name) not in own}
    named = {plain_name(name): value for name, value in llm_config.items() if name not in kept}
    for name, value in named.items():
        if name not in NO_EFFECT and not (value is None or isinstance(value, str)):
            raise InvalidRequestError(f"llm_config: {name} is {value!r}; it must be a text.")
    adapters = [named[name] for name in ADAPTER_NAMES if named.get(name)]
    return GenerateRequest(
        request_id=named.get("request_id") or secrets.token_hex(8),
        sampling=read_sampling(kept),
        adapter=adapters[0] if adapters else None,
    )
