"""What a deployment can be made of: model families, and the parameters of the engine it gets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from byzer_lab.engines import find_engine
from byzer_lab.engines.base import Engine, EngineConfig
from byzer_lab.engines.families import families, is_service, make_engine
from byzer_lab.errors import ByzerLabError
from byzer_lab.providers.presets import find_preset
from byzer_lab.providers.table import PREFIX, PROVIDERS, find_provider, provider_name
from byzer_lab.schema import ParameterInfo

AUTO = "custom/auto"
BASIC = (
    "api_key",
    "model",
    "base_url",
    "max_model_len",
    "n_ctx",
    "dtype",
    "quantization",
    "n_gpu_layers",
    "gpu_memory_utilization",
    "tensor_parallel_size",
    "adapters",
    "lora_path",
    "num_threads",
    "n_threads",
    "trust_remote_code",
)
"""Parameters that most deployments are about, in the order in which a form shows them."""


def family_types() -> list[str]:
    """The values of ``pretrained_model_type`` that can be served; the one that detects it first."""
    local = sorted((f.type for f in families() if f.served), key=lambda name: (name != AUTO, name))
    return [*local, *(f"{PREFIX}{name}" for name in sorted(PROVIDERS))]


def engine_of(
    backend: str,
    pretrained_model_type: str,
    model_path: str,
    infer_params: Mapping[str, Any] | None = None,
) -> type[Engine]:
    """The class that would run a model; a type or a folder that is refused gets the backend's own.

    Args:
        backend: Name of the backend; not used for a provider's model.
        pretrained_model_type: The family.
        model_path: The path, or nothing yet.
        infer_params: As typed so far; some providers have a class for each kind of model.

    Raises:
        InvalidRequestError: There is no such backend, or no such provider.
    """
    if is_service(pretrained_model_type):
        return find_provider(pretrained_model_type, infer_params)
    config = EngineConfig(model_path, pretrained_model_type, {}, 1)
    try:
        return type(make_engine(backend, config))
    except ByzerLabError:
        return find_engine(backend)


def service_note(pretrained_model_type: str) -> str:
    """What there is to know before a provider's model is deployed; empty for local models and for
    providers that don't exist."""
    if pretrained_model_type.removeprefix(PREFIX) not in PROVIDERS:
        return ""
    preset = find_preset(provider_name(pretrained_model_type))
    parts = [preset.title, f"asks {preset.model} by default" if preset.model else ""]
    parts.append(f"its key is usually in {preset.key}")
    return " ".join(["; ".join(filter(None, parts)) + ".", preset.note]).strip()


def parameters_of(
    backend: str,
    pretrained_model_type: str = AUTO,
    model_path: str = "",
    infer_params: Mapping[str, Any] | None = None,
) -> Sequence[ParameterInfo]:
    """The infer parameters that a deployment may set; none where its engine declares none.

    Raises:
        InvalidRequestError: There is no such backend.
    """
    engine = engine_of(backend, pretrained_model_type, model_path, infer_params)
    declared: Sequence[ParameterInfo] = getattr(engine, "parameters", tuple)()
    return declared


def basic_first(
    parameters: Sequence[ParameterInfo],
) -> tuple[list[ParameterInfo], list[ParameterInfo]]:
    """The parameters that most deployments are about, and the rest."""
    known = {info.name: info for info in parameters}
    basic = [known[name] for name in BASIC if name in known]
    return basic, [info for info in parameters if info not in basic]
