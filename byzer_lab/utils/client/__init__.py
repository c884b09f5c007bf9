"""Byzer-LLM's place of the client: ``from byzer_lab.utils.client import ByzerLLM``."""

from __future__ import annotations

from byzer_lab.client import conversations as message_utils
from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.events import EventName
from byzer_lab.client.templates import Template, Templates
from byzer_lab.client.typed import parsing as code_utils
from byzer_lab.client.types import (
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
)

__all__ = [
    "ByzerLLM",
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
    "code_utils",
    "message_utils",
]
