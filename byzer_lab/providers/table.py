"""Which class speaks to which provider."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from byzer_lab.errors import InvalidRequestError

if TYPE_CHECKING:
    from byzer_lab.engines.base import EngineConfig
    from byzer_lab.providers.base import Provider

PREFIX = "saas/"
PROVIDERS: dict[str, str] = {
    "aws_bedrock": "byzer_lab.providers.bedrock:Bedrock",
    "azure": "byzer_lab.providers.azure_speech:AzureSpeech",
    "azure_openai": "byzer_lab.providers.openai_wire:AzureOpenAI",
    "baichuan": "byzer_lab.providers.openai_wire:Baichuan",
    "chatglm": "byzer_lab.providers.openai_wire:ChatGLM",
    "claude": "byzer_lab.providers.claude:Claude",
    "deepseek": "byzer_lab.providers.openai_wire:OpenAIWire",
    "gemini": "byzer_lab.providers.gemini:Gemini",
    "minimax": "byzer_lab.providers.openai_wire:MiniMax",
    "moonshot": "byzer_lab.providers.openai_wire:OpenAIWire",
    "offical_openai": "byzer_lab.providers.openai_wire:OpenAIWire",
    "official_openai": "byzer_lab.providers.openai_wire:OpenAIWire",
    "openai": "byzer_lab.providers.openai_wire:OpenAIWire",
    "qianfan": "byzer_lab.providers.openai_wire:Qianfan",
    "qianwen": "byzer_lab.providers.openai_wire:OpenAIWire",
    "qianwen_vl": "byzer_lab.providers.openai_wire:OpenAIWire",
    "siliconflow": "byzer_lab.providers.openai_wire:OpenAIWire",
    "sparkdesk": "byzer_lab.providers.sparkdesk:SparkDesk",
    "volcengine": "byzer_lab.providers.volcengine:Volcengine",
    "yi": "byzer_lab.providers.openai_wire:OpenAIWire",
    "zhipu": "byzer_lab.providers.openai_wire:OpenAIWire",
}
"""The class of each ``saas/NAME``, as ``module:Class``, imported when it is needed."""


def provider_name(pretrained_model_type: str) -> str:
    """``openai`` of ``saas/openai``.

    Raises:
        InvalidRequestError: There is no such provider; the nearest ones are in the sentence.
    """
    name = pretrained_model_type.removeprefix(PREFIX)
    if name in PROVIDERS:
        return name
    near = get_close_matches(name, PROVIDERS, n=2)
    hint = f"did you mean {' or '.join(PREFIX + one for one in near)}?" if near else ""
    raise InvalidRequestError(
        f"There is no provider {pretrained_model_type!r}; "
        f"{hint or 'there is: ' + ', '.join(sorted(PROVIDERS)) + '.'}"
    )


def find_provider(
    pretrained_model_type: str, infer_params: Mapping[str, Any] | None = None
) -> type[Provider]:
    """The class that speaks to a provider.

    Args:
        pretrained_model_type: ``saas/NAME``.
        infer_params: Of the deployment; some providers have a class for each kind of model.

    Raises:
        InvalidRequestError: There is no such provider.
    """
    name = provider_name(pretrained_model_type)
    return load_class(PROVIDERS[name]).choose(name, infer_params or {})


def load_class(target: str) -> type[Provider]:
    """Import ``module:Class``."""
    module, _, name = target.partition(":")
    found: type[Provider] = getattr(importlib.import_module(module), name)
    return found


def make_provider(config: EngineConfig) -> Provider:
    """The engine for a model of a provider; not loaded yet.

    Raises:
        InvalidRequestError: There is no such provider, or it refuses a parameter.
    """
    return find_provider(config.pretrained_model_type, config.infer_params)(config)
