"""Pictures on the vllm backend: refused, with the way to a model that sees."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from byzer_lab.engines.families.detection import read_json
from byzer_lab.engines.folder import ModelSource
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest

HINT = "deploy it on the transformers backend, which shows it pictures"


def refuse_blind(source: ModelSource) -> None:
    """Refuse a model that sees where vLLM lacks what its classes for such models import.

    Raises:
        InvalidRequestError: torchvision is missing, which there is for GPUs alone.
    """
    config = read_json(Path(source.name) / "config.json")
    if "vision_config" in config and find_spec("torchvision") is None:
        raise InvalidRequestError(
            f"{source.name!r} is a model that sees, and vLLM loads such models with torchvision "
            f"only, which is not installed; {HINT}."
        )


def refuse_pictures(request: GenerateRequest) -> None:
    """Refuse a conversation with pictures.

    Raises:
        InvalidRequestError: There is one in it.
    """
    if any(message.images for message in request.messages or ()):
        raise InvalidRequestError(
            "The vllm backend reads texts alone; leave the images out, or where the model sees, "
            f"{HINT}."
        )
