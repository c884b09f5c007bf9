"""``chat_oai`` and its streams: conversations with a model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from typing import Any

from byzer_lab.client.apart import run_apart
from byzer_lab.client.asking import Asking
from byzer_lab.client.conversations import Conversations
from byzer_lab.client.pieces import Pieces
from byzer_lab.client.session import session
from byzer_lab.client.templates import RoleMapping
from byzer_lab.client.types import LLMRequest, LLMResponse, StreamItem
from byzer_lab.errors import InvalidRequestError


class ChatCalls(Asking):
    """The calls; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def chat_oai(
        self,
        conversations: Conversations,
        tools: Sequence[Any] = (),
        tool_choice: Any = None,
        execute_tool: bool = False,
        impl_func: Callable[..., Any] | str | None = None,
        execute_impl_func: bool = False,
        impl_func_params: Mapping[str, Any] | None = None,
        func_params: Mapping[str, Any] | None = None,
        response_class: Any = None,
        response_after_chat: bool = False,
        enable_default_sys_message: bool = True,
        model: str | None = None,
        role_mapping: RoleMapping | None = None,
        llm_config: Mapping[str, Any] | None = None,
        only_return_prompt: bool = False,
        *,
        max_retries: int = 2,
        max_tool_rounds: int = 0,
        parallel_tool_calls: bool = True,
    ) -> list[Any]:
        """Let a model answer a conversation. An interrupt cancels on the worker.

        Args:
            conversations: Dicts with ``role`` and ``content``, or one user message as a text. It
                is not changed.
            model: Name of the deployment; default: the default model.
            role_mapping: Write the prompt with these words instead of the model's chat template
                or what :meth:`setup_template` set; see :mod:`byzer_lab.client.templates`.
            llm_config: Generation parameters, ``request_id`` and ``adapter``; see
                :mod:`byzer_lab.client.llm_config`.

        Returns:
            One response, in a list.

        Raises:
            ByzerLabError: See :meth:`byzer_lab.client.data_plane.DataPlane.stream`.
        """
        if impl_func is not None:
            raise InvalidRequestError("impl_func is not there yet.")
        name, request = self._request(conversations, model, llm_config, role_mapping)
        return [self._whole_answer(name, request)]

    def stream_chat_oai(
        self,
        conversations: Conversations,
        model: str | None = None,
        role_mapping: RoleMapping | None = None,
        delta_mode: bool = False,
        llm_config: Mapping[str, Any] | None = None,
    ) -> Generator[StreamItem]:
        """:meth:`chat_oai`, piece by piece. Closing the generator cancels on the worker.

        Args:
            conversations: As in :meth:`chat_oai`.
            model, role_mapping: As in :meth:`chat_oai`.
            delta_mode: Yield only what is new; else all of the text so far.
            llm_config: As in :meth:`chat_oai`.

        Yields:
            Pairs of text and :class:`SingleOutputMeta`, which also add up like texts. Of a model
            that speaks or draws: pairs of new bytes and meta, whatever ``delta_mode`` is.
        """
        name, request = self._request(conversations, model, llm_config, role_mapping)
        pieces = Pieces(name, request.request_id, delta_mode)
        for chunk in self._session.data_plane.stream(name, request, self._pins.get("chat")):
            yield pieces.next(chunk)

    async def async_stream_chat_oai(
        self,
        conversations: Conversations,
        role_mapping: RoleMapping | None = None,
        model: str | None = None,
        delta_mode: bool = False,
        llm_config: Mapping[str, Any] | None = None,
    ) -> AsyncGenerator[StreamItem]:
        """:meth:`stream_chat_oai` for asyncio; ``role_mapping`` comes first, as in Byzer-LLM."""
        name, request = self._request(conversations, model, llm_config, role_mapping)
        pieces = Pieces(name, request.request_id, delta_mode)
        connection = await asyncio.to_thread(session, self._address)  # may start the cluster
        pin = self._pins.get("chat")
        async for chunk in connection.data_plane.astream(name, request, pin):
            yield pieces.next(chunk)

    def chat(
        self,
        model: str | None,
        request: LLMRequest | str,
        extract_params: Mapping[str, Any] | None = None,
    ) -> list[LLMResponse]:
        """Ask without a conversation. An interrupt cancels on the workers.

        Args:
            model: Name of the deployment; ``None``: the default model.
            request: One text, or an :class:`LLMRequest` with one or several.
            extract_params: More generation parameters, as ``llm_config`` of :meth:`chat_oai`.

        Returns:
            One response for each text, in order.
        """
        asked = LLMRequest(request) if isinstance(request, str) else request
        config = {
            name: value
            for name in ("max_length", "top_p", "temperature")
            if (value := getattr(asked, name)) is not None
        }
        config |= extract_params or {}
        texts = [asked.instruction] if isinstance(asked.instruction, str) else asked.instruction
        calls = [self._request(text, model, config) for text in texts]
        return run_apart(self._whole_answers(self._session.data_plane, calls))

    raw_chat = chat
