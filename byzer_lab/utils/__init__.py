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

sys_function_calling_format = function_calling_format
sys_response_class_format = response_class_format
sys_response_class_format_after_chat = response_class_format_after_chat
sys_function_impl_format = function_impl_format
"""Byzer-LLM's other set, for models with a system message of ours: there is none here."""

__all__ = [
    "WORDING",
    "function_calling_format",
    "function_impl_format",
    "get_tool",
    "response_class_format",
    "response_class_format_after_chat",
    "serialize_function_to_json",
    "sys_function_calling_format",
    "sys_function_impl_format",
    "sys_response_class_format",
    "sys_response_class_format_after_chat",
]
