"""What a model's folder says of itself. No code of the model is run and nothing heavy imported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from byzer_lab.engines.families.table import EMBEDDING, FAMILIES, RERANK, Family
from byzer_lab.engines.folder import ADAPTER, base_of

BY_NAME = {family.type: family for family in FAMILIES}


@dataclass(frozen=True)
class Detected:
    """A model as its folder describes it.

    Attributes:
        kind: ``model_type`` of its config.json; empty where there is none.
        architecture: Class that config.json names; empty where it names none.
        family: Its family; ``None`` where the transformers library alone decides.
        engine: Of the transformers backend, where it isn't the one for chat.
        code: Its config.json names Python code that comes with it.
        adapter: It is an adapter on a base model, which is described.
        problem: Why it can't be loaded whatever its family; empty otherwise.
    """

    kind: str = ""
    architecture: str = ""
    family: Family | None = None
    engine: str | None = None
    code: bool = False
    adapter: bool = False
    problem: str = ""

    @property
    def own_engine(self) -> str | None:
        """The engine that the folder, or else its family, asks for."""
        return self.engine or (self.family.engine if self.family is not None else None)

    @property
    def title(self) -> str:
        """In a few words: ``llama · LlamaForCausalLM``."""
        if self.engine is not None and not self.kind:
            return "sentence-transformers model"
        return " · ".join(part for part in (self.kind, self.architecture) if part)


def detect(folder: Path) -> Detected | None:
    """Describe the model in a folder; ``None`` where no model of the transformers library is.

    Args:
        folder: May also be an adapter's.

    Raises:
        InvalidRequestError: An adapter names no base model.
    """
    adapter = (folder / ADAPTER).is_file()
    if adapter:
        folder = Path(base_of(folder)).expanduser()
    if (folder / "model_index.json").is_file():
        return Detected(family=BY_NAME["custom/stable_diffusion"])
    config = read_json(folder / "config.json")
    engine = _engine_of(folder, config)
    if not config and engine is None:
        return None
    names = config.get("architectures") or [""]
    return Detected(
        kind=str(config.get("model_type") or ""),
        architecture=str(names[0]),
        family=_family_of(config),
        engine=engine,
        code="auto_map" in config,
        adapter=adapter,
        problem=_problem_of(config),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A file of the folder; empty where it is missing or broken, which loading will tell."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _engine_of(folder: Path, config: dict[str, Any]) -> str | None:
    if (folder / "modules.json").is_file():
        library = read_json(folder / "config_sentence_transformers.json")
        return RERANK if library.get("model_type") == "CrossEncoder" else EMBEDDING
    names = config.get("architectures") or [""]
    labels = config.get("id2label") or range(int(config.get("num_labels") or 2))
    if str(names[0]).endswith("ForSequenceClassification") and len(labels) == 1:
        return RERANK
    return None


def _family_of(config: dict[str, Any]) -> Family | None:
    kind = config.get("model_type")
    names = config.get("architectures") or [""]
    if kind == "chatglm":
        if str(names[0]).endswith("WithImage") or "image_length" in config:
            return BY_NAME["custom/visualglm"]
        if "position_encoding_2d" in config:
            return BY_NAME["chatglm6b"]
    return next((family for family in FAMILIES if kind in family.kinds), None)


def _problem_of(config: dict[str, Any]) -> str:
    kind = config.get("model_type")
    # Baichuan of 13 billion weights has no positions but a slope in its attention.
    names = config.get("architectures") or [""]
    rotates = names[0] == "BaiChuanForCausalLM" or "max_position_embeddings" in config
    if kind == "baichuan" and not rotates:
        return (
            "Baichuan of 13 billion weights has ALiBi attention, which the transformers library "
            "has no class for; deploy a GGUF of it on the llama_cpp backend"
        )
    return ""
