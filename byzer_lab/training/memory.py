"""Memory that a job's process has in use."""

from __future__ import annotations

import contextlib
import sys

import psutil

MIB = 2**20


def resident_mb() -> float:
    """Resident memory of this process and its children, in MiB."""
    process = psutil.Process()
    total = 0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.Error):  # it has just ended
            total += one.memory_info().rss
    return round(total / MIB, 1)


def gpu_mb() -> float:
    """GPU memory that torch holds in this process, in MiB; 0 where it has no GPU."""
    torch = sys.modules.get("torch")  # importing it would take seconds
    if torch is None or getattr(torch.__spec__, "_initializing", False):
        return 0.0  # another thread is importing it just now
    if not torch.cuda.is_initialized():
        return 0.0
    held: int = sum(torch.cuda.memory_reserved(index) for index in range(torch.cuda.device_count()))
    return round(held / MIB, 1)
