"""Byzer-LLM's place of the client's types."""

from __future__ import annotations

from byzer_lab.utils.client import (
    InferBackend,
    LLMClassResponse,
    LLMFunctionCallResponse,
    LLMHistoryItem,
    LLMRequest,
    LLMResponse,
    SingleOutputMeta,
    Template,
    Templates,
)

__all__ = [
    "InferBackend",
    "LLMClassResponse",
    "LLMFunctionCallResponse",
    "LLMHistoryItem",
    "LLMRequest",
    "LLMResponse",
    "SingleOutputMeta",
    "Template",
    "Templates",
]
