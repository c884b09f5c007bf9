"""Keeps what models wrote, in memory and where it is wanted on disk."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import threading
from pathlib import Path

from byzer_lab.config import home, write_private


@dataclasses.dataclass(frozen=True)
class Key:
    """What a written function was written for.

    Attributes:
        model: Who wrote it.
        instruction: Of ``impl``; empty where there was none.
        function: Module and name.
        digest: Of the signature, its classes, the docstring and the schema of what it returns.
    """

    model: str
    instruction: str
    function: str
    digest: str


def digest(*parts: str) -> str:
    """A short text that differs where a part differs."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class FunctionCache:
    """The sources of written functions. Threads may share one."""

    def __init__(self) -> None:
        self._sources: dict[Key, str] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, on_disk: bool) -> str | None:
        """The source; ``None``: there is none.

        Args:
            key: What it was written for.
            on_disk: Look into the user's folder as well.
        """
        source = self._sources.get(key)
        if source is None and on_disk:
            source = _read(_path(key), key)
            if source is not None:
                self._sources[key] = source
        return source

    def put(self, key: Key, source: str, on_disk: bool) -> None:
        """Keep a source."""
        self._sources[key] = source
        if on_disk:
            path = _path(key)
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(path, json.dumps(dataclasses.asdict(key) | {"source": source}))

    def clear(
        self,
        model: str | None = None,
        function: str | None = None,
        instruction: str | None = None,
    ) -> None:
        """Forget what was written, on disk too.

        Args:
            model: By this model only.
            function: Functions whose module and name end with this only.
            instruction: With this instruction only.
        """

        def meant(key: Key) -> bool:
            return (
                (model is None or key.model == model)
                and (function is None or f".{key.function}".endswith(f".{function}"))
                and (instruction is None or key.instruction == instruction)
            )

        with self._lock:
            for key in list(self._sources):
                if meant(key):
                    self._sources.pop(key, None)
        for path in _folder().glob("*.json"):
            kept = _load(path)
            if kept is None or meant(kept[0]):
                path.unlink(missing_ok=True)


def _folder() -> Path:
    return home() / "functions"


def _path(key: Key) -> Path:
    return _folder() / f"{digest(*dataclasses.astuple(key))}.json"


def _read(path: Path, key: Key) -> str | None:
    kept = _load(path)
    return kept[1] if kept is not None and kept[0] == key else None


def _load(path: Path) -> tuple[Key, str] | None:
    """A file's key and source; ``None``: it is missing, somebody else's, or none of ours."""
    try:
        facts = path.stat()
        if facts.st_uid != os.getuid():
            return None
        fields = json.loads(path.read_text(encoding="utf-8"))
        source = fields.pop("source")
        key = Key(**fields)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return (key, source) if isinstance(source, str) else None
