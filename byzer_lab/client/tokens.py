"""``tokenize`` and ``apply_chat_template``: how a model reads texts and conversations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from byzer_lab.client.conversations import Conversations, read_messages
from byzer_lab.client.settings import Settings
from byzer_lab.client.templates import RoleMapping, render
from byzer_lab.client.types import LLMResponse
from byzer_lab.types import TemplateRequest, TokenizeRequest


class TokenCalls(Settings):
    """The calls; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def tokenize(
        self,
        model: str | None,
        s: str,
        llm_config: Mapping[str, Any] | None = None,
        *,
        special_tokens: bool = False,
    ) -> list[LLMResponse]:
        """The tokens of a text.

        Args:
            model: Name of the deployment; ``None``: the default model.
            s: The text.
            llm_config: Accepted as Byzer-LLM writes it; nothing of it matters here.
            special_tokens: Add what the model puts around every text.

        Returns:
            One response, in a list, whose ``output`` is a list with one list of token numbers.

        Raises:
            InvalidRequestError: The model has no tokenizer.
            ByzerLabError: As from ``chat_oai``.
        """
        name = self._model(model)
        request = TokenizeRequest(text=s, special_tokens=special_tokens)
        answer = self._session.data_plane.tokenize(name, request, self._pins.get("tokenizer"))
        return [LLMResponse(output=[answer.tokens], input={"instruction": s})]

    def apply_chat_template(
        self,
        model: str | None,
        s: Conversations,
        llm_config: Mapping[str, Any] | None = None,
        *,
        add_generation_prompt: bool = True,
    ) -> str:
        """The prompt that a model's own chat template makes of a conversation.

        Args:
            model: Name of the deployment; ``None``: the default model.
            s: The conversation; also as JSON.
            llm_config: Accepted as Byzer-LLM writes it; nothing of it matters here.
            add_generation_prompt: End with the beginning of the assistant's turn.

        Raises:
            InvalidRequestError: The model has no chat template, or it refuses the conversation.
            ByzerLabError: As from ``chat_oai``.
        """
        name = self._model(model)
        request = TemplateRequest(read_messages(s, json_text=True), add_generation_prompt)
        pin = self._pins.get("apply_chat_template")
        return self._session.data_plane.apply_chat_template(name, request, pin).text

    def generate_instruction_from_history(
        self, model: str, conversations: Conversations, role_mapping: RoleMapping | None = None
    ) -> str:
        """The prompt that a role mapping makes of a conversation.

        Args:
            model: Name of the deployment, whose mapping is taken where none is given.
            conversations: The conversation.
            role_mapping: See :mod:`byzer_lab.client.templates`.
        """
        mapping = self._role_mapping(model) if role_mapping is None else role_mapping
        return render(read_messages(conversations), mapping or {})
