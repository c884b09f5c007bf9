"""Families of models: what becomes of a ``pretrained_model_type`` and of a model's folder.

Nothing heavy is imported and nothing is asked of the hub: the registry looks here as well.

==================  =============================================================================
``table.py``        every type that Byzer-LLM knows, and what becomes of it today
``detection.py``    what a model's folder says of itself
``choice.py``       the engine for a type and a folder, or the reason why there is none
==================  =============================================================================
"""

from byzer_lab.engines.families.choice import (
    BY_TYPE,
    SERVICE_BACKEND,
    SERVICE_CONCURRENCY,
    find_family,
    is_service,
    make_engine,
)
from byzer_lab.engines.families.detection import Detected, detect
from byzer_lab.engines.families.table import Family, State, families

__all__ = [
    "BY_TYPE",
    "SERVICE_BACKEND",
    "SERVICE_CONCURRENCY",
    "Detected",
    "Family",
    "State",
    "detect",
    "families",
    "find_family",
    "is_service",
    "make_engine",
]
