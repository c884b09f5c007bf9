"""``import byzer_lab.compat.byzerllm``: from then on ``import byzerllm`` finds Byzer Lab.

``byzerllm`` is ``byzer_lab``, and ``byzerllm.utils.client`` is ``byzer_lab.utils.client``; names
are looked up when they are used. docs/migrating.md tells what differs. Nothing is changed until
this module is imported; a ``byzerllm`` that was imported before stays what it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

OLD, NEW = "byzerllm", "byzer_lab"
ELSEWHERE = {"byzerllm.utils.retrieval": "byzer_lab.compat.retrieval"}
"""Modules that are not under the same name here."""


def target_of(name: str) -> str:
    """The module of ours that stands for a module of Byzer-LLM."""
    return ELSEWHERE.get(name, NEW + name.removeprefix(OLD))


class OldNames(MetaPathFinder, Loader):
    """Finds ``byzerllm`` and what is in it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] != OLD:
            return None
        if importlib.util.find_spec(target_of(fullname)) is None:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        ours = importlib.import_module(target_of(module.__name__))

        def look_up(name: str) -> Any:
            return getattr(ours, name)

        module.__doc__ = ours.__doc__
        module.__dict__["__getattr__"] = look_up
        module.__dict__["__all__"] = list(getattr(ours, "__all__", ()))


if not any(isinstance(finder, OldNames) for finder in sys.meta_path):
    sys.meta_path.insert(0, OldNames())
