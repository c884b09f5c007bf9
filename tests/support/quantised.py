"""Packs a tiny checkpoint as GPTQ and AWQ do, rounding each weight to the nearest of 16 values."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

GROUP = 32
"""Inputs that share a scale."""

_AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]
_ZERO = 8


def quantise(folder: Path, target: Path, method: str) -> tuple[Path, Path]:
    """Pack the linear layers of a checkpoint.

    Args:
        folder: A checkpoint with one safetensors file.
        target: Where to save.
        method: ``gptq`` or ``awq``.

    Returns:
        The packed checkpoint, and one with the same rounded weights that is not packed.
    """
    from safetensors.torch import load_file, save_file

    packed, plain = {}, {}
    for name, weight in load_file(folder / "model.safetensors").items():
        if ".layers." in name and name.endswith("_proj.weight"):
            integers, scales, plain[name] = _round(weight)
            for part, tensor in _PACKERS[method](integers, scales).items():
                packed[name.removesuffix("weight") + part] = tensor.contiguous()
        else:
            packed[name] = plain[name] = weight
    for out, tensors in ((target / method, packed), (target / f"{method}-plain", plain)):
        shutil.copytree(folder, out, ignore=shutil.ignore_patterns("*.safetensors"))
        save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = _SETTINGS[method]
    (target / method / "config.json").write_text(json.dumps(config))
    return target / method, target / f"{method}-plain"


def _round(weight: Any) -> tuple[Any, Any, Any]:
    """Whole numbers 0 to 15 (inputs by outputs), scales (groups by outputs), rounded weights."""
    import torch

    outputs, inputs = weight.shape
    groups = weight.float().T.reshape(inputs // GROUP, GROUP, outputs)
    scales = (groups.abs().amax(dim=1) / 7).half()
    steps = scales.float().unsqueeze(1)
    integers = (torch.round(groups / steps) + _ZERO).clamp(0, 15)
    rounded = ((integers - _ZERO) * steps).reshape(inputs, outputs).T.to(weight.dtype)
    return integers.reshape(inputs, outputs).int(), scales, rounded.contiguous()


def _pack(integers: Any) -> Any:
    """Eight numbers of 4 bits in one of 32, along the last axis."""
    import torch

    parts = integers.long().reshape(*integers.shape[:-1], -1, 8)
    words = (parts << torch.arange(0, 32, 4)).sum(dim=-1)
    return torch.where(words >= 2**31, words - 2**32, words).int()


def _gptq(integers: Any, scales: Any) -> dict[str, Any]:
    import torch

    inputs, outputs = integers.shape
    # The format stores one less than the zero point.
    zeros = torch.full((inputs // GROUP, outputs), _ZERO - 1)
    return {
        "qweight": _pack(integers.T).T,
        "qzeros": _pack(zeros),
        "scales": scales,
        "g_idx": torch.arange(inputs).int() // GROUP,
    }


def _awq(integers: Any, scales: Any) -> dict[str, Any]:
    import torch

    inputs, outputs = integers.shape
    ordered = integers.reshape(inputs, -1, 8)[..., _AWQ_ORDER].reshape(inputs, outputs)
    zeros = torch.full((inputs // GROUP, outputs), _ZERO)
    return {"qweight": _pack(ordered), "qzeros": _pack(zeros), "scales": scales}


_PACKERS = {"gptq": _gptq, "awq": _awq}
_SETTINGS: dict[str, dict[str, Any]] = {
    "gptq": {
        "quant_method": "gptq",
        "bits": 4,
        "group_size": GROUP,
        "desc_act": False,
        "sym": True,
    },
    "awq": {
        "quant_method": "awq",
        "bits": 4,
        "group_size": GROUP,
        "zero_point": True,
        "version": "gemm",
    },
}
