"""Byzer-LLM's names of what writes prompts: ``from byzer_lab.utils import ...``."""

from __future__ import annotations

from byzer_lab.client.formats import (
    function_calling_format,
    function_impl_format,
    get_tool,
    response_class_format,
    response_class_format_after_chat,
    serialize_function_to_json,
)
from byzer_lab.client.wording import WORDING

__all__ = [
    "WORDING",
    "function_calling_format",
    "function_impl_format",
    "get_tool",
    "response_class_format",
    "response_class_format_after_chat",
    "serialize_function_to_json",
]
