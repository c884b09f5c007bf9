"""Byzer-LLM's names of what writes prompts: ``from byzer_lab.utils import ...``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from byzer_lab.client.formats import (
    BaseAbility,
    base_ability_format,
    function_calling_format,
    function_impl_format,
    get_tool,
    response_class_format,
    response_class_format_after_chat,
    serialize_function_to_json,
)
from byzer_lab.client.wording import WORDING

if TYPE_CHECKING:
    from byzer_lab.utils.calls import FunctionCall, FunctionCallList, FunctionCallWrapper

sys_function_calling_format = function_calling_format
sys_response_class_format = response_class_format
sys_response_class_format_after_chat = response_class_format_after_chat
sys_function_impl_format = function_impl_format
"""Byzer-LLM's other set, for models with a system message of ours: there is none here."""

__all__ = [
    "WORDING",
    "BaseAbility",
    "FunctionCall",
    "FunctionCallList",
    "FunctionCallWrapper",
    "base_ability_format",
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


def __getattr__(name: str) -> Any:
    if name in ("FunctionCall", "FunctionCallList", "FunctionCallWrapper"):
        from byzer_lab.utils import calls  # with pydantic: only where it is used

        return getattr(calls, name)
    raise AttributeError(f"module 'byzer_lab.utils' has no attribute {name!r}")
