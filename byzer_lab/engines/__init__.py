"""Local backends. A new one is one file here and one line in the table below."""

from __future__ import annotations

import importlib
from difflib import get_close_matches

from byzer_lab.engines.base import Engine
from byzer_lab.errors import InvalidRequestError

ENGINES: dict[str, str] = {
    "llama_cpp": "byzer_lab.engines.llama_cpp:LlamaCppEngine",
    "transformers": "byzer_lab.engines.transformers:TransformersEngine",
}


def find_engine(backend: str) -> type[Engine]:
    """The class of a backend.

    Args:
        backend: A key of :data:`ENGINES`, or ``module:Class`` for an engine of your own.

    Raises:
        InvalidRequestError: Nothing of that name, or the module can't be imported.
    """
    target = ENGINES.get(backend, backend)
    if ":" not in target:
        close = get_close_matches(backend, ENGINES, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        raise InvalidRequestError(
            f"There is no backend {backend!r}; there is: {', '.join(sorted(ENGINES))}.{hint}"
        )
    module, _, name = target.partition(":")
    try:
        engine: type[Engine] = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InvalidRequestError(f"Backend {backend!r} can't be imported: {error}") from error
    return engine
