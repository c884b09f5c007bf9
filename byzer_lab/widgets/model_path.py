"""The path of a model: what may be meant while it is typed, and what lies there."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.families import make_engine
from byzer_lab.engines.folder import find_model
from byzer_lab.engines.llama_cpp.files import find_gguf
from byzer_lab.errors import ByzerLabError

BUNDLED = "bundled"
MOST_PROPOSALS = 50
MARKS = ("config.json", "modules.json", "adapter_config.json")
"""A folder with one of these is a model."""


@dataclass(frozen=True)
class Seen:
    """What is known of a model before it is deployed.

    Attributes:
        summary: In words; empty where nothing can be said.
        problem: Why it can't be deployed so; a sentence, or empty.
    """

    summary: str = ""
    problem: str = ""


def proposals(text: str) -> list[str]:
    """Model paths that may be meant by what is typed.

    Folders and GGUF files below the folder that is typed; before a path is begun the bundled model
    and what was downloaded from the hub, the latest first.
    """
    begun = text.startswith(("/", "~", "."))
    found = _entries(text) if begun else iter([BUNDLED, *_downloaded()])
    return [path for path, _ in zip(found, range(MOST_PROPOSALS), strict=False)]


def _entries(text: str) -> Iterator[str]:
    head, slash, tail = text.rpartition("/")
    folder = Path(head + slash or ".").expanduser()
    with contextlib.suppress(OSError):
        for entry in sorted(folder.iterdir()):
            hidden = entry.name.startswith(".") and not tail.startswith(".")
            if not hidden and entry.name.startswith(tail) and _may_be_model(entry):
                yield f"{head}{slash}{entry.name}"


def _may_be_model(path: Path) -> bool:
    return path.suffix == ".gguf" or path.is_dir()


def hub_cache() -> Path:
    """Where models downloaded from the hub lie."""
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    return Path(os.environ.get("HF_HUB_CACHE") or f"{home}/hub").expanduser()


def _downloaded() -> Iterator[str]:
    with contextlib.suppress(OSError):
        folders = hub_cache().glob("models--*")
        for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
            yield folder.name.removeprefix("models--").replace("--", "/")


def look(model_path: str, pretrained_model_type: str, backend: str, *, local: bool) -> Seen:
    """Look at a model as the backend would, without loading it and without asking the hub.

    Args:
        model_path: As for a deploy; not empty.
        pretrained_model_type: The type that was chosen.
        backend: The backend that was chosen.
        local: Workers run on this machine, so that they see the same files.
    """
    path = Path(bundled_model() if model_path == BUNDLED else model_path).expanduser()
    try:
        if _is_hub_id(model_path) and backend != "llama_cpp":
            summary = _of_hub(model_path)
        elif path.exists() and not path.is_absolute():
            return Seen(
                problem=f"Workers run in another folder; write the whole path: {path.absolute()}"
            )
        elif path.exists() or local:
            summary = _found(path, backend)
        else:
            summary = "Not on this machine; it must be where the workers run."
        make_engine(backend, EngineConfig(str(path), pretrained_model_type, {}, 1))
    except ByzerLabError as error:
        return Seen(problem=error.message)
    return Seen(summary)


def _is_hub_id(text: str) -> bool:
    return text.count("/") == 1 and not text.startswith(("/", "~", "."))


def _found(path: Path, backend: str) -> str:
    if backend == "llama_cpp":
        return f"GGUF · {find_gguf(str(path)).name}"
    find_model(str(path), MARKS)
    return _family(path)


def _of_hub(model_path: str) -> str:
    snapshots = hub_cache() / f"models--{model_path.replace('/', '--')}" / "snapshots"
    found = [_family(path.parent) for path in snapshots.glob("*/config.json")]
    return f"{found[-1]}, downloaded" if found else "A model of the hub; its workers download it."


def _family(folder: Path) -> str:
    """The family that a folder names: ``llama · LlamaForCausalLM``."""
    if (folder / "modules.json").is_file():
        return "sentence-transformers model"
    try:
        config = json.loads((folder / "config.json").read_bytes())
        classes = [str(name) for name in config.get("architectures") or []]
        parts = [str(config.get("model_type") or ""), *classes[:1]]
    except (OSError, ValueError, AttributeError, TypeError):
        return ""
    return " · ".join(part for part in parts if part)
