"""The library: started once per process, its log lines caught.

Unless a deployment is verbose, the library's lines go nowhere; the last error among them is kept,
because a failed call says nothing but that it failed.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from typing import Any

import llama_cpp.llama_cpp as lib

_WARN, _ERROR, _CONTINUED = 3, 4, 5
_KEPT = 8


class _Log:
    """Receives the library's log lines, on whichever thread it works."""

    def __init__(self) -> None:
        self.verbose = False
        self._level = 0
        self._problems: list[str] = []
        self.callback = lib.llama_log_callback(self._receive)  # must outlive the library's use

    def _receive(self, level: int, text: bytes | None, _: Any) -> None:
        line = (text or b"").decode("utf-8", "replace")
        if level != _CONTINUED:
            self._level = level
        if self._level in (_WARN, _ERROR) and line.strip():
            self._problems = [*self._problems, line.strip()][-_KEPT:]
        if self.verbose:
            sys.stderr.write(line)

    def forget(self) -> None:
        """Start anew: what follows belongs to the next call."""
        self._problems = []

    def why(self) -> str:
        """The library's first problem since :meth:`forget`: later ones only repeat the failure."""
        lines = [line for line in self._problems if "error" in line or "fail" in line]
        chosen = (lines or self._problems or ["no reason given"])[0]
        # Lines begin with the name of a function of the library.
        head, _, rest = chosen.partition(": ")
        return (rest if rest and " " not in head else chosen).rstrip(".")


LOG = _Log()
_started = threading.Lock()
_state = {"backend": False, "numa": False}


def start(*, verbose: bool, numa: bool) -> None:
    """Prepare the library; what was prepared before stays so.

    Args:
        verbose: Write its log lines to stderr, for this and every other model of the process.
        numa: Spread threads over the nodes of a NUMA machine.
    """
    with _started:
        LOG.verbose = LOG.verbose or verbose
        lib.llama_log_set(LOG.callback, ctypes.c_void_p(0))
        if not _state["backend"]:
            lib.llama_backend_init()
            _state["backend"] = True
        if numa and not _state["numa"]:
            lib.llama_numa_init(lib.GGML_NUMA_STRATEGY_DISTRIBUTE)
            _state["numa"] = True
