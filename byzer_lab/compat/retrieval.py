"""``byzerllm.utils.retrieval``: its name is there, so that notebooks that import it go on."""

from __future__ import annotations

from typing import Any

from byzer_lab.errors import InvalidRequestError


class ByzerRetrieval:
    """Byzer-LLM's client of Byzer Retrieval, a service of its own that Byzer Lab doesn't have.

    Raises:
        InvalidRequestError: Always.
    """

    def __init__(self, *_: Any, **__: Any) -> None:
        raise InvalidRequestError(
            "Byzer Lab has no Byzer Retrieval; get vectors with llm.emb and keep them in a store "
            "of your choice."
        )
