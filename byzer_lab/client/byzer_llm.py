"""``ByzerLLM``: deploy models and talk to them, with Byzer-LLM's names."""

from __future__ import annotations

from typing import Any, Self

from byzer_lab.client.chatting import ChatCalls
from byzer_lab.client.embedding import EmbeddingCalls
from byzer_lab.client.prompting import PromptCalls
from byzer_lab.client.speech import MediaCalls
from byzer_lab.client.sub_clients import SubClients
from byzer_lab.client.tokens import TokenCalls
from byzer_lab.client.training.calls import TrainingCalls
from byzer_lab.errors import InvalidRequestError


class ByzerLLM(
    TrainingCalls, ChatCalls, EmbeddingCalls, TokenCalls, MediaCalls, PromptCalls, SubClients
):
    """A client of one cluster. Settings made with ``setup_*`` return it, so that they chain.

    Its methods stand in ``settings.py``, ``lifecycle.py``, ``chatting.py``, ``asking.py``,
    ``hooks.py``, ``embedding.py``, ``tokens.py``, ``speech.py``, ``prompting.py``,
    ``sub_clients.py``, ``functions/calls.py`` and ``training/calls.py``.

    Args:
        url: A Ray cluster to run on (``ray://HOST:PORT`` or ``HOST:PORT``); default: the user's
            Byzer Lab, which is started where none runs.
        verbose: Print each step of a deploy.
        force_skip_context_length_check: Leave the limits of ``setup_max_model_length`` and
            ``setup_max_input_length`` aside; the model's own window stays.
        default_max_output_length: Most tokens of an answer where a call names no number and
            ``setup_max_output_length`` none either; default: as many as fit.
        byzer_engine_url: Of a Byzer engine, which is not needed here; only ``None`` is taken.

    Raises:
        InvalidRequestError: An argument is wrong.
        ClusterError: On first use, when there is no cluster and none can be started.
    """

    def __init__(
        self,
        url: str | None = None,
        verbose: bool = False,
        force_skip_context_length_check: bool = False,
        byzer_engine_url: str | None = None,
        default_max_output_length: int | None = None,
    ) -> None:
        super().__init__(url or "auto")
        self._verbose = verbose
        self._skip_length_check = force_skip_context_length_check
        self._set_default_output_length(default_max_output_length)
        if byzer_engine_url is not None:
            raise InvalidRequestError(
                "byzer_engine_url is set, but there is no Byzer engine here; Byzer-SQL runs in "
                "this process, with %%byzer or byzer_lab.sql."
            )

    @classmethod
    def from_default_model(cls, model: str, auto_connect_cluster: bool = True) -> Self:
        """A client whose calls go to one model.

        Args:
            model: Name of the deployment.
            auto_connect_cluster: Connect now, not at the first call; starts the cluster where none
                runs.

        Raises:
            ClusterError: There is no cluster and none can be started.
        """
        client = cls().setup_default_model_name(model)
        if auto_connect_cluster:
            assert client._session
        return client

    def apply_sql_func(self, sql: str, data: Any, *_: Any, **__: Any) -> Any:
        """Byzer-LLM's call of a Byzer engine over HTTP, which Byzer Lab doesn't have.

        Raises:
            InvalidRequestError: Always; it says what to use.
        """
        raise InvalidRequestError(
            "There is no Byzer engine to send SQL to: run it in this process, with %%byzer or "
            "byzer_lab.sql, where SQL functions call deployed models."
        )
