"""Ends vLLM's processes when the worker that started them is gone, however it went.

vLLM runs its engine in processes of its own, which would outlive a killed worker and keep its
memory. So a small process beside them reads from a pipe that only the worker holds: when that
closes, it ends every process that carries the worker's mark in its environment.

Run as a script by its path, so that it loads psutil and nothing else.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid

import psutil

VARIABLE = "BYZER_LAB_VLLM_MARK"
PATIENCE_S = 10.0


class Guard:
    """The process that guards; made before vLLM's processes are started.

    Attributes:
        mark: Value of :data:`VARIABLE` in the environment of the processes to end.
    """

    def __init__(self) -> None:
        self.mark = uuid.uuid4().hex
        self._process = subprocess.Popen(
            [sys.executable, "-I", __file__, self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """End what carries the mark and is still there, then the guard. Safe to call twice."""
        if self._process.stdin is not None and not self._process.stdin.closed:
            self._process.stdin.close()
        self._process.wait()


def end_marked(mark: str) -> None:
    """Kill every process with this mark, and wait until they are gone."""
    found = [process for process in psutil.process_iter() if _carries(process, mark)]
    for process in found:
        process.kill()
    psutil.wait_procs(found, timeout=PATIENCE_S)


def _carries(process: psutil.Process, mark: str) -> bool:
    try:
        # Python's resource tracker belongs to the worker, which may host another engine.
        return (
            process.pid != os.getpid()
            and process.environ().get(VARIABLE) == mark
            and "resource_tracker" not in " ".join(process.cmdline())
        )
    except psutil.Error:  # it has ended, or is another user's
        return False


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end_marked(sys.argv[1])
