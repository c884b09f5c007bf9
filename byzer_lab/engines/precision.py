"""Number format of the weights and processor threads of one worker."""

from __future__ import annotations

import os
from typing import Any

import torch

# On one core of a processor with AVX512-BF16 a linear layer on 16 rows takes, as a share of its
# float32 time: hidden size 256: bfloat16 1.1, float16 5; 1024: 0.43, 2.8; 2048: 0.38, 2.4.
_SMALLEST_HIDDEN_FOR_BFLOAT16 = 1024
_BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "avx10_1", "avx10_2", "bf16")
_FLOAT16_INSTRUCTIONS = ("avx512_fp16", "amx_fp16", "avx10_1", "avx10_2", "fp16")


def choose_dtype(wanted: str, checkpoint: Any, device: str, hidden_size: int) -> Any:
    """The number format to load weights in.

    Args:
        wanted: The parameter ``dtype``; anything but ``auto`` is taken as it is.
        checkpoint: The checkpoint's ``torch.dtype``, or ``None`` when it doesn't say.
        device: ``cpu`` or ``cuda``.
        hidden_size: Width of the model; narrow ones gain nothing from half precision on a CPU.
    """
    if wanted != "auto":
        return getattr(torch, wanted)
    if checkpoint is None:
        return torch.float32
    if device != "cpu" or checkpoint not in (torch.bfloat16, torch.float16):
        return checkpoint
    can = torch.cpu.get_capabilities()
    names = _BFLOAT16_INSTRUCTIONS if checkpoint is torch.bfloat16 else _FLOAT16_INSTRUCTIONS
    quick = any(can.get(name) for name in names) and hidden_size >= _SMALLEST_HIDDEN_FOR_BFLOAT16
    return checkpoint if quick else torch.float32


def set_threads(wanted: int | None) -> int:
    """Limit the processor threads of this process; returns how many it may use.

    By default OMP_NUM_THREADS decides where it is set (the cluster sets it to a worker's share),
    else half of the usable cores, so that two workers on one machine don't fight.
    """
    if wanted is None and not os.environ.get("OMP_NUM_THREADS", "").isdigit():
        wanted = max(1, _usable_cores() // 2)
    if wanted is not None:
        torch.set_num_threads(wanted)
    return int(torch.get_num_threads())


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
