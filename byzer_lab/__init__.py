"""Byzer Lab: the LLM workbench inside JupyterLab.

Importing it is cheap: names are loaded when they are first used, and Ray, torch and transformers
are imported by workers only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from byzer_lab.bundled import bundled_model
    from byzer_lab.client.boxes import draw_boxes, find_boxes
    from byzer_lab.client.byzer_llm import ByzerLLM
    from byzer_lab.client.events import EventName
    from byzer_lab.client.functions.implementation import GeneratedCodeError
    from byzer_lab.client.prompts.decorators import prompt, prompt_lazy
    from byzer_lab.client.templates import Template, Templates
    from byzer_lab.client.types import (
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
    from byzer_lab.cluster.connect import connect_cluster
    from byzer_lab.errors import ByzerLabError
    from byzer_lab.sandbox.limits import SandboxError

__all__ = [
    "ByzerLLM",
    "ByzerLabError",
    "EventName",
    "GeneratedCodeError",
    "InferBackend",
    "LLMClassResponse",
    "LLMFunctionCallResponse",
    "LLMHistoryItem",
    "LLMMetadata",
    "LLMRequest",
    "LLMResponse",
    "MetaHolder",
    "Role",
    "SandboxError",
    "SingleOutputMeta",
    "Template",
    "Templates",
    "bundled_model",
    "connect_cluster",
    "draw_boxes",
    "find_boxes",
    "prompt",
    "prompt_lazy",
]

_HOMES = {
    "ByzerLLM": "byzer_lab.client.byzer_llm",
    "ByzerLabError": "byzer_lab.errors",
    "EventName": "byzer_lab.client.events",
    "GeneratedCodeError": "byzer_lab.client.functions.implementation",
    "InferBackend": "byzer_lab.client.types",
    "LLMClassResponse": "byzer_lab.client.types",
    "LLMFunctionCallResponse": "byzer_lab.client.types",
    "LLMHistoryItem": "byzer_lab.client.types",
    "LLMMetadata": "byzer_lab.client.types",
    "MetaHolder": "byzer_lab.client.types",
    "Role": "byzer_lab.client.types",
    "SandboxError": "byzer_lab.sandbox.limits",
    "SingleOutputMeta": "byzer_lab.client.types",
    "LLMRequest": "byzer_lab.client.types",
    "LLMResponse": "byzer_lab.client.types",
    "Template": "byzer_lab.client.templates",
    "Templates": "byzer_lab.client.templates",
    "bundled_model": "byzer_lab.bundled",
    "connect_cluster": "byzer_lab.cluster.connect",
    "draw_boxes": "byzer_lab.client.boxes",
    "find_boxes": "byzer_lab.client.boxes",
    "prompt": "byzer_lab.client.prompts.decorators",
    "prompt_lazy": "byzer_lab.client.prompts.decorators",
    # what IPython and Jupyter look for by name
    "load_ipython_extension": "byzer_lab_magics",
    "unload_ipython_extension": "byzer_lab_magics",
    "_jupyter_labextension_paths": "byzer_lab.jupyter",
    "_jupyter_server_extension_points": "byzer_lab.jupyter",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'byzer_lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
