"""Which engine of a backend fits a model: by its type, or by what its folder says of itself."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path
from typing import Any

from byzer_lab.engines import BACKENDS, backend_name, find_engine
from byzer_lab.engines.base import Engine, EngineConfig
from byzer_lab.engines.families.detection import Detected, detect
from byzer_lab.engines.families.table import AUTO, EMBEDDING, FAMILIES, Family
from byzer_lab.engines.folder import refuse_gguf
from byzer_lab.errors import InvalidRequestError

GGUF_EMBEDDING = "byzer_lab.engines.llama_cpp:LlamaCppEmbeddingEngine"
BY_TYPE: dict[str, str] = {family.type: family.engine for family in FAMILIES if family.engine}
"""Model types whose engine is another one than the transformers backend's own."""

SERVICE = "saas/"
"""Begins the types of models that a provider serves, whatever the backend."""
SERVICE_BACKEND = "saas"
"""What such a deployment has as its backend."""
SERVICE_CONCURRENCY = 64
PROVIDERS = "byzer_lab.providers.table:make_provider"
_READS_FOLDERS = ("transformers", "deepspeed")
"""Backends that load a folder with the transformers library."""
_TRAINING = ("sft", "sfft", "lora", "deepspeed")


def make_engine(backend: str, config: EngineConfig) -> Engine:
    """The engine for a model; not loaded yet.

    Args:
        backend: See :func:`byzer_lab.engines.find_engine`.
        config: What the engine is told; its type and path choose among the backend's engines.

    Raises:
        InvalidRequestError: There is no such backend, it refuses a parameter, or the model can't
            be loaded: its type is unknown or its family gone, it contradicts the folder, or the
            model brings code that nobody allowed to run.
    """
    if is_service(config.pretrained_model_type) and ":" not in backend:
        return find_engine(PROVIDERS)(config)
    name = backend_name(backend)
    if name not in BACKENDS:
        return find_engine(name)(config)
    family = find_family(config.pretrained_model_type)
    _refuse_unserved(family)
    target = name
    if name in _READS_FOLDERS:
        folder = Path(config.model_path).expanduser()
        refuse_gguf(folder)
        found = detect(folder)
        if found is not None:
            _check(found, family, config)
        if name == "transformers":
            by_folder = found.own_engine if found is not None and family.type == AUTO else None
            target = family.engine or by_folder or name
    embeds = name == "llama_cpp" and _is_on(config.infer_params.get("embedding"))
    if embeds and family.engine in (None, EMBEDDING):
        target = GGUF_EMBEDDING
    elif family.engine not in (None, BACKENDS[name].engine) and name != "transformers":
        raise InvalidRequestError(
            f"{family.type} is served by the transformers backend"
            + (", or a GGUF by llama_cpp with embedding=true" if family.engine == EMBEDDING else "")
            + f"; the {name} backend can't serve it so."
        )
    return find_engine(target)(config)


def is_service(pretrained_model_type: str) -> bool:
    """Whether a model is a provider's, and runs on no backend of ours."""
    return pretrained_model_type.startswith(SERVICE)


def find_family(pretrained_model_type: str) -> Family:
    """The family that a type names, with or without the prefix ``custom/``.

    Raises:
        InvalidRequestError: There is none of that name; the nearest ones are in the sentence.
    """
    known = {name: family for family in FAMILIES for name in (family.type, *family.aliases)}
    bare = {name.removeprefix("custom/"): family for name, family in known.items()}
    family = known.get(pretrained_model_type) or bare.get(
        pretrained_model_type.removeprefix("custom/")
    )
    if family is not None:
        return family
    prefix, slash, rest = pretrained_model_type.partition("/")
    if slash and prefix in _TRAINING:
        raise InvalidRequestError(
            f"pretrained_model_type {pretrained_model_type!r} names a training job, not a model to "
            f"deploy; its result is deployed as {AUTO}."
        )
    near = get_close_matches(pretrained_model_type, known, n=3) or get_close_matches(
        rest or pretrained_model_type, bare, n=3
    )
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise InvalidRequestError(
        f"There is no pretrained_model_type {pretrained_model_type!r}. {hint}Leave it out "
        f"({AUTO}) to find it out from the model's folder."
    )


def _refuse_unserved(family: Family) -> None:
    if not family.served:
        raise InvalidRequestError(f"{family.title} ({family.type}) can't be served: {family.note}")


def _check(found: Detected, family: Family, config: EngineConfig) -> None:
    """Refuse what the folder says can't be."""
    path = config.model_path
    own = found.family
    if own is not None:
        _refuse_unserved(own)
    accepted = (*family.kinds, *family.also)
    if family.kinds and found.kind and found.kind not in accepted:
        raise InvalidRequestError(
            f"pretrained_model_type is {config.pretrained_model_type!r}, but the model in {path!r} "
            f"is of the kind {found.kind!r} ({found.architecture or 'no class named'}), and that "
            f"type takes {', '.join(accepted)}. Leave the type out ({AUTO}), or give another path."
        )
    if found.problem:
        raise InvalidRequestError(f"{path!r} can't be served: {found.problem}.")
    if own is not None and own.state == "remote code" and not _trusts(config.infer_params):
        raise InvalidRequestError(
            f"{own.title}: {path!r} is loaded by Python code that comes with the model (class "
            f"{found.architecture or own.loader}), which runs with your rights. Read it, and "
            f"deploy with trust_remote_code=true. {own.note}"
        )


def _trusts(infer_params: dict[str, Any]) -> bool:
    names = ("trust_remote_code", "backend.trust_remote_code")
    return any(_is_on(infer_params.get(name)) for name in names)


def _is_on(value: Any) -> bool:
    return str(value).lower() == "true"
