"""Weights in fewer bits: made while they are loaded, or the checkpoint's own."""

from __future__ import annotations

import logging
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from byzer_lab.engines.transformers.parameters import Parameters
from byzer_lab.errors import InvalidRequestError

WANTED = {
    "4": "nf4",
    "true": "nf4",
    "8": "llm.int8",
    "int8": "int8",
    "int4": "int4",
    "gptq": "gptq",
    "awq": "awq",
}
"""Names of formats by the parameter's values; a value that is missing asks for nothing."""

LIBRARIES = {
    "nf4": ("bitsandbytes",),
    "llm.int8": ("bitsandbytes",),
    "bitsandbytes": ("bitsandbytes",),
    "int8": ("torchao",),
    "int4": ("torchao",),
    "torchao": ("torchao",),
    "gptq": ("gptqmodel", "optimum"),
    "awq": ("gptqmodel",),
}
"""Modules that a format needs. The library itself speaks of formats that are not listed."""

EXTRAS = {"bitsandbytes": "quantization", "gptqmodel": "gptq", "optimum": "gptq"}
"""Extras of the distribution that install them."""

_GROUP = 32  # weights that share a scale in int4; rows of any common model are a multiple of it


def wanted_format(parameters: Parameters) -> str | None:
    """The format that a deployment asks for, by name; ``None`` when it asks for none.

    Raises:
        InvalidRequestError: The library for it is not installed.
    """
    name = WANTED.get(parameters.quantization or "")
    if name is not None:
        _check_libraries(name, f"quantization {parameters.quantization!r}")
    return name


def own_format(config: Any) -> str | None:
    """The format that a checkpoint's weights are stored in, ``None`` for plain numbers.

    Args:
        config: The library's configuration, or a config.json.

    Raises:
        InvalidRequestError: The library for it is not installed.
    """
    told = (
        config.get("quantization_config")
        if isinstance(config, dict)
        else getattr(config, "quantization_config", None)
    )
    if told is None:
        return None
    found = told.get("quant_method") if isinstance(told, dict) else told.quant_method
    name = str(getattr(found, "value", found) or "unknown")
    _check_libraries(name, f"a checkpoint whose weights are stored as {name}")
    return name


def library_settings(name: str, parameters: Parameters, compute_dtype: Any) -> Any:
    """What the library's loader is told to make a format; ``None`` for the checkpoint's own.

    Args:
        name: See :func:`wanted_format`.
        parameters: The deployment's.
        compute_dtype: ``torch.dtype`` that is computed in.
    """
    if name in ("nf4", "llm.int8"):
        _quieten()
    from transformers import BitsAndBytesConfig, TorchAoConfig

    if name == "nf4":
        return BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=compute_dtype
        )
    if name == "llm.int8":
        return BitsAndBytesConfig(
            load_in_8bit=True, llm_int8_threshold=parameters.llm_int8_threshold
        )
    if name in ("int8", "int4"):
        import torch

        ao = import_module("torchao.quantization")
        if name == "int8":
            return TorchAoConfig(ao.Int8WeightOnlyConfig())
        group = ao.PerGroup(_GROUP)
        return TorchAoConfig(ao.IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=group))
    return None


def agreed_format(wanted: str | None, own: str | None, model: str) -> str | None:
    """The format that will be loaded.

    Args:
        wanted: What the deployment asks for.
        own: What the checkpoint is stored in.
        model: Its name, for messages.

    Raises:
        InvalidRequestError: They contradict each other.
    """
    if wanted in ("gptq", "awq") and own != wanted:
        stored = f"stored as {own}" if own else "not quantised"
        raise InvalidRequestError(
            f"quantization is {wanted!r}, but the checkpoint {model!r} is {stored}. Leave "
            f"quantization out, or deploy a {wanted.upper()} checkpoint."
        )
    if wanted is not None and own is not None and wanted != own:
        raise InvalidRequestError(
            f"The checkpoint {model!r} is quantised already, as {own}; leave quantization out."
        )
    return wanted or own


def _check_libraries(name: str, asked: str) -> None:
    missing = [module for module in LIBRARIES.get(name, ()) if find_spec(module) is None]
    if missing:
        extra = EXTRAS.get(missing[0])
        command = f"pip install 'byzer-lab[{extra}]'" if extra else f"pip install {missing[0]}"
        raise InvalidRequestError(
            f"The transformers backend needs {' and '.join(missing)} for {asked}: {command} where "
            "the workers run.",
            missing=missing,
        )


def _quieten() -> None:
    """One line for each multiplication, and one about a kernel that can be downloaded."""
    for name in ("bitsandbytes.autograd._functions", "bitsandbytes.backends.cpu.ops"):
        logging.getLogger(name).setLevel(logging.ERROR)
