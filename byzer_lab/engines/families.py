"""Which engine of a backend fits a model: by its type, or by what its folder says of itself.

Nothing heavy is imported and nothing is asked of the hub: the registry looks here as well.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from byzer_lab.engines import find_engine
from byzer_lab.engines.base import Engine, EngineConfig

EMBEDDING = "byzer_lab.engines.sentence_transformers:EmbeddingEngine"
RERANK = "byzer_lab.engines.sentence_transformers:RerankEngine"
GGUF_EMBEDDING = "byzer_lab.engines.llama_cpp:LlamaCppEmbeddingEngine"
BY_TYPE: dict[str, str] = {
    "custom/bge": EMBEDDING,
    "custom/m3e": EMBEDDING,
    "custom/bge_rerank": RERANK,
}
"""Model types whose engine is another one than the transformers backend's own."""


def make_engine(backend: str, config: EngineConfig) -> Engine:
    """The engine for a model; not loaded yet.

    Args:
        backend: See :func:`byzer_lab.engines.find_engine`.
        config: What the engine is told; its type and path choose among the backend's engines.

    Raises:
        InvalidRequestError: There is no such backend, or it refuses a parameter.
    """
    target = backend
    if backend == "transformers":
        target = BY_TYPE.get(config.pretrained_model_type, backend)
        if config.pretrained_model_type == "custom/auto":
            target = _by_folder(Path(config.model_path).expanduser()) or backend
    if backend == "llama_cpp" and _is_on(config.infer_params.get("embedding")):
        target = GGUF_EMBEDDING
    return find_engine(target)(config)


def _is_on(value: Any) -> bool:
    return str(value).lower() == "true"


def _by_folder(folder: Path) -> str | None:
    """The engine that a folder asks for; ``None`` where it asks for no special one."""
    if (folder / "modules.json").is_file():
        library = _read(folder / "config_sentence_transformers.json")
        return RERANK if library.get("model_type") == "CrossEncoder" else EMBEDDING
    config = _read(folder / "config.json")
    names = config.get("architectures") or [""]
    labels = config.get("id2label") or range(int(config.get("num_labels") or 2))
    if str(names[0]).endswith("ForSequenceClassification") and len(labels) == 1:
        return RERANK
    return None


def _read(path: Path) -> dict[str, Any]:
    """A file of the folder; empty where it is missing or broken, which loading will tell."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
