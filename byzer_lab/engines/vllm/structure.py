"""Constrains the requests of vLLM, which holds its answers by the same library."""

from __future__ import annotations

from typing import Any

from byzer_lab.engines.structured.structure import Structure
from byzer_lab.engines.transformers.loading import LoadedModel
from byzer_lab.engines.transformers.structure import structure_of

_BACKEND = "guidance"


def structure_for(loaded: LoadedModel, config: Any) -> Structure:
    """What holds a model's answers to schemas and calls.

    Args:
        loaded: vLLM's model.
        config: vLLM's ``StructuredOutputsConfig``.
    """
    if config.backend != _BACKEND:
        why = (
            f"the deployment sets structured_outputs_config to the backend {config.backend!r}, "
            f"and schemas are guaranteed with {_BACKEND!r} alone"
        )
        return Structure(why, "", loaded.decode, frozenset())
    return structure_of(loaded)
