"""vLLM's configuration of a deployment: what it sets, and our defaults."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, get_origin

import vllm
from pydantic import TypeAdapter, ValidationError
from transformers import AutoConfig
from vllm.engine.arg_utils import AsyncEngineArgs, get_type_hints
from vllm.platforms import current_platform

from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.folder import ModelSource
from byzer_lab.engines.precision import choose_dtype
from byzer_lab.engines.vllm.adapters import Adapter, fitting_rank
from byzer_lab.engines.vllm.capacity import cache_bytes
from byzer_lab.engines.vllm.parameters import LORA_RANKS, Parameters
from byzer_lab.engines.vllm.placement import executor_for, in_placement_group
from byzer_lab.errors import InvalidRequestError

STRUCTURED_OUTPUTS = {"backend": "guidance", "disable_any_whitespace": True}
# Of a GPU's memory; a worker with a part of a GPU takes the same share of its part.
_SHARE_OF_GPU = 0.9
_FIELDS = {field.name: field for field in dataclasses.fields(AsyncEngineArgs)}


def on_processor() -> bool:
    """Whether this vLLM runs on processors."""
    return bool(current_platform.is_cpu())


def make_arguments(
    config: EngineConfig,
    parameters: Parameters,
    source: ModelSource,
    adapters: Mapping[str, Adapter],
) -> Any:
    """vLLM's ``AsyncEngineArgs``.

    Args:
        config: The deployment's.
        parameters: Its infer parameters.
        source: Where the model is.
        adapters: Its LoRA adapters.

    Raises:
        InvalidRequestError: The installed vLLM doesn't take an argument.
    """
    asked = {**parameters.arguments, **parameters.more}
    for name in asked:
        if name not in _FIELDS:
            close = get_close_matches(name, _FIELDS, n=3)
            hint = f" It has: {', '.join(close)}." if close else ""
            raise InvalidRequestError(
                f"vLLM {vllm.__version__}, which is installed, has no argument {name!r}.{hint}"
            )
    asked = {name: _as_field(name, value) for name, value in asked.items()}
    defaults: dict[str, Any] = {
        "max_num_seqs": config.concurrency,
        "disable_log_stats": True,
        **_where(config.gpus, asked),
    }
    if on_processor():
        defaults |= {"enforce_eager": True, "max_model_len": -1}
        if asked.get("dtype", "auto") == "auto":
            asked["dtype"] = _dtype(source, bool(asked.get("trust_remote_code")))
    if adapters:
        asked["max_lora_rank"] = fitting_rank(adapters, LORA_RANKS, asked.get("max_lora_rank"))
        defaults |= {"enable_lora": True, "max_loras": len(adapters)}
        if on_processor():
            # There vLLM gives a request without an adapter what stands in the last place, where
            # requests with one are in the same step: the place must stay empty.
            asked["max_loras"] = len(adapters) + 1
    outputs = {**STRUCTURED_OUTPUTS, **parameters.arguments.get("structured_outputs_config", {})}
    asked["structured_outputs_config"] = _as_field("structured_outputs_config", outputs)
    return AsyncEngineArgs(model=source.name, **{**defaults, **asked})


def make_config(arguments: Any, concurrency: int, cpu_kv_cache_gib: float | None) -> Any:
    """vLLM's ``VllmConfig``.

    Args:
        arguments: From :func:`make_arguments`.
        concurrency: Most requests at a time.
        cpu_kv_cache_gib: Size of the cache on a processor, where the deployment sets it.

    Raises:
        InvalidRequestError: vLLM refuses the model or an argument.
    """
    try:
        config = arguments.create_engine_config()
    except (ValueError, NotImplementedError) as error:
        raise InvalidRequestError(
            f"vLLM can't serve {arguments.model!r}: {_words(error)}"
        ) from error
    if config.model_config.runner_type != "generate":
        names = ", ".join(config.model_config.architectures)
        raise InvalidRequestError(
            f"{arguments.model!r} is no model that writes text: its architecture is {names}. To "
            "turn texts into vectors, deploy it as custom/bge or custom/m3e."
        )
    cache = config.cache_config
    if on_processor() and cache.kv_cache_memory_bytes is None:
        cache.kv_cache_memory_bytes = cache_bytes(config, concurrency, cpu_kv_cache_gib)
    return config


def _where(gpus: float, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Defaults that say on what the model runs."""
    groups = asked.get("pipeline_parallel_size", 1) * asked.get("data_parallel_size", 1)
    spread = max(1, int(gpus) // groups) if not on_processor() else 1
    ranks = asked.get("tensor_parallel_size", spread) * groups
    defaults: dict[str, Any] = {
        "tensor_parallel_size": spread,
        "distributed_executor_backend": executor_for(
            ranks, on_cpu=on_processor(), in_group=in_placement_group()
        ),
    }
    if 0 < gpus < 1:
        defaults["gpu_memory_utilization"] = round(gpus * _SHARE_OF_GPU, 4)
    return defaults


def _dtype(source: ModelSource, trust_remote_code: bool) -> Any:
    config = AutoConfig.from_pretrained(
        source.name, trust_remote_code=trust_remote_code, local_files_only=source.offline
    )
    if getattr(config, "quantization_config", None):
        return "auto"
    hidden_size = getattr(config.get_text_config(), "hidden_size", 0)
    return choose_dtype("auto", config.dtype, "cpu", hidden_size)


def _as_field(name: str, value: Any) -> Any:
    """A value as vLLM's class has it: its own classes in place of mappings and names."""
    for hint in get_type_hints(_FIELDS[name].type):
        if isinstance(value, dict) and isinstance(hint, type) and dataclasses.is_dataclass(hint):
            try:
                return TypeAdapter(hint).validate_python(value)
            except ValidationError as error:
                raise InvalidRequestError(f"{name} is {value!r}: {_words(error)}") from error
        if isinstance(value, str | int) and isinstance(hint, type) and issubclass(hint, enum.Enum):
            return _member(name, hint, value)
        if isinstance(value, list) and get_origin(hint) is set:
            return set(value)
    return value


def _member(name: str, choices: type[enum.Enum], value: Any) -> Any:
    for member in choices:
        if value == member.value or str(value).upper() == member.name.upper():
            return member
    names = ", ".join(choices.__members__)
    raise InvalidRequestError(f"{name} is {value!r}; it must be one of {names}.")


def _words(error: Exception) -> str:
    """vLLM's own sentence, without what pydantic writes around it."""
    if isinstance(error, ValidationError):
        parts = [
            " ".join(str(part["msg"]).removeprefix("Value error, ").split())
            for part in error.errors()
        ]
        return "; ".join(parts)
    return " ".join(str(error).split())
