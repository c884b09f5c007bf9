"""``ByzerLLM``: deploy models and talk to them, with Byzer-LLM's names."""

from __future__ import annotations

from byzer_lab.client.chatting import ChatCalls
from byzer_lab.client.embedding import EmbeddingCalls
from byzer_lab.client.lifecycle import Lifecycle
from byzer_lab.client.prompting import PromptCalls
from byzer_lab.client.tokens import TokenCalls


class ByzerLLM(Lifecycle, ChatCalls, EmbeddingCalls, TokenCalls, PromptCalls):
    """A client of one cluster. Settings made with ``setup_*`` return it, so that they chain.

    Its methods stand in ``settings.py``, ``lifecycle.py``, ``chatting.py``, ``hooks.py``,
    ``embedding.py``, ``tokens.py``, ``prompting.py`` and ``functions/calls.py``.

    Args:
        url: A Ray cluster to run on (``ray://HOST:PORT`` or ``HOST:PORT``); default: the user's
            Byzer Lab, which is started where none runs.
        verbose: Print each step of a deploy.

    Raises:
        ClusterError: On first use, when there is no cluster and none can be started.
    """

    def __init__(self, url: str | None = None, verbose: bool = False) -> None:
        super().__init__(url or "auto")
        self._verbose = verbose
