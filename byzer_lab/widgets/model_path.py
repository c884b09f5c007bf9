"""The path of a model: what may be meant while it is typed, and what lies there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from byzer_lab.bundled import bundled_model
from byzer_lab.config import absolute_path
from byzer_lab.engines.families import detect
from byzer_lab.engines.folder import ADAPTER, find_model
from byzer_lab.engines.llama_cpp.files import find_gguf
from byzer_lab.errors import ByzerLabError, describe

BUNDLED = "bundled"
MOST_PROPOSALS = 50
MARKS = ("config.json", "modules.json")
NEED_CONFIG = ("transformers", "deepspeed")
"""Backends for which a folder without one of :data:`MARKS` is no model."""


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
    folder = _expanded(head + slash or ".")
    with contextlib.suppress(OSError):
        for entry in sorted(folder.iterdir()):
            hidden = entry.name.startswith(".") and not tail.startswith(".")
            if not hidden and entry.name.startswith(tail) and _may_be_model(entry):
                yield f"{head}{slash}{entry.name}"


def _expanded(text: str) -> Path:
    return Path(os.path.expanduser(text))  # ~user stays as it is where there is no such user


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


def look(model_path: str, backend: str, *, local: bool) -> Seen:
    """Look at what lies at a path, without loading it and without asking the hub.

    Args:
        model_path: As for a deploy; not empty.
        backend: The backend that was chosen.
        local: Workers run on this machine, so that they see the same files.
    """
    path = bundled_model() if model_path == BUNDLED else _expanded(absolute_path(model_path))
    try:
        if _is_hub_id(model_path) and not path.is_absolute() and backend != "llama_cpp":
            return Seen(_of_hub(model_path))
        if path.exists() or local:
            return Seen(_found(path, backend))
    except (ByzerLabError, OSError, RuntimeError) as error:  # no such user, or not readable
        return Seen(problem=describe(error))
    return Seen("Not on this machine; it must be where the workers run.")


def _is_hub_id(text: str) -> bool:
    return text.count("/") == 1 and not text.startswith(("/", "~", "."))


def _found(path: Path, backend: str) -> str:
    if backend == "llama_cpp":
        return f"GGUF · {find_gguf(str(path)).name}"
    adapter = (path / ADAPTER).is_file()  # its base model may be one of the hub, which isn't asked
    if not path.exists() or (backend in NEED_CONFIG and not adapter):
        find_model(str(path), MARKS)
    return _family(path)


def _of_hub(model_path: str) -> str:
    snapshots = hub_cache() / f"models--{model_path.replace('/', '--')}" / "snapshots"
    found = [_family(path.parent) for path in snapshots.glob("*/config.json")]
    return f"{found[-1]}; downloaded" if found else "A model of the hub; its workers download it."


def _family(folder: Path) -> str:
    """What a folder says of its model: ``llama · LlamaForCausalLM``."""
    found = detect(folder)
    if found is None:
        return ""
    family = found.family.title if found.family and not found.title else ""
    return ("adapter on " if found.adapter else "") + (found.title or family)
