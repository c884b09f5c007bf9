"""Local backends. A new one is one folder or file here and one entry of the table below."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.util import find_spec

from byzer_lab.engines.base import Engine
from byzer_lab.errors import InvalidRequestError


@dataclass(frozen=True)
class Backend:
    """A local backend.

    Attributes:
        engine: Its class, as ``module:Class``.
        summary: What it is for, in a few words.
        library: Module that must be installed where its workers run.
        extra: Extra of the distribution that installs it.
        concurrency: Requests that a worker answers at a time where the deployment doesn't say.
        aliases: Other names for it.
        spreads: Its engine spreads a model over the GPUs of a Ray placement group by itself.
    """

    engine: str
    summary: str
    library: str
    extra: str
    concurrency: int
    aliases: tuple[str, ...] = ()
    spreads: bool = False

    @property
    def installed(self) -> bool:
        """Whether its library is there; nothing is imported."""
        return find_spec(self.library) is not None

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f"pip install 'byzer-lab[{self.extra}]'"


BACKENDS: dict[str, Backend] = {
    "transformers": Backend(
        "byzer_lab.engines.transformers:TransformersEngine",
        "chat, embedding and rerank models of Hugging Face, on GPUs and CPUs",
        library="transformers",
        extra="transformers",
        concurrency=16,
    ),
    "llama_cpp": Backend(
        "byzer_lab.engines.llama_cpp:LlamaCppEngine",
        "GGUF files, quick on CPUs",
        library="llama_cpp",
        extra="llama-cpp",
        concurrency=16,
    ),
    "vllm": Backend(
        "byzer_lab.engines.vllm:VLLMEngine",
        "chat models at full speed, with LoRA adapters, on GPUs and CPUs",
        library="vllm",
        extra="vllm",
        concurrency=100,
        aliases=("ray/vllm",),
        spreads=True,
    ),
    "deepspeed": Backend(
        "byzer_lab.engines.deepspeed:DeepSpeedEngine",
        "chat models of Hugging Face split over several GPUs, or kept outside their memory",
        library="deepspeed",
        extra="deepspeed",
        concurrency=100,
        aliases=("ray/deepspeed",),
    ),
    "diffusers": Backend(
        "byzer_lab.engines.diffusers:DiffusersEngine",
        "Stable Diffusion and other pipelines that draw, on GPUs and CPUs",
        library="diffusers",
        extra="diffusers",
        concurrency=4,
    ),
}


def backend_name(name: str) -> str:
    """The name of a backend that may be given by one of its aliases.

    Args:
        name: A key of :data:`BACKENDS`, an alias, or ``module:Class`` for an engine of your own,
            which stays as it is.

    Raises:
        InvalidRequestError: There is none of that name.
    """
    names = {alias: key for key, backend in BACKENDS.items() for alias in (key, *backend.aliases)}
    if ":" in name:
        return name
    if name not in names:
        close = get_close_matches(name.lower(), names, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidRequestError(
            f"There is no backend {name!r}; there is: {', '.join(sorted(BACKENDS))}.{hint}"
        )
    return names[name]


def find_engine(backend: str) -> type[Engine]:
    """The class of a backend.

    Args:
        backend: See :func:`backend_name`.

    Raises:
        InvalidRequestError: Nothing of that name, or the module can't be imported.
    """
    known = BACKENDS.get(backend_name(backend))
    module, _, name = (known.engine if known else backend).partition(":")
    try:
        engine: type[Engine] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidRequestError(f"Backend {backend!r} can't be imported: {error}") from error
    return engine
