"""Byzer-LLM's place of the client's types."""

from __future__ import annotations

from byzer_lab.utils.client import (
    EventName,
    ExecuteCodeResponse,
    InferBackend,
    LLMClassResponse,
    LLMFunctionCallResponse,
    LLMHistoryItem,
    LLMMetadata,
    LLMRequest,
    LLMResponse,
    MetaHolder,
    Role,
    SingleOutputMeta,
    Template,
    Templates,
)

__all__ = [
    "EventName",
    "ExecuteCodeResponse",
    "InferBackend",
    "LLMClassResponse",
    "LLMFunctionCallResponse",
    "LLMHistoryItem",
    "LLMMetadata",
    "LLMRequest",
    "LLMResponse",
    "MetaHolder",
    "Role",
    "SingleOutputMeta",
    "Template",
    "Templates",
]
