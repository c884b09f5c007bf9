"""``chat_oai`` and its streams: conversations with a model."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any

import msgspec

from byzer_lab.client.apart import run_apart
from byzer_lab.client.conversations import Conversations, read_messages
from byzer_lab.client.data_plane import DataPlane
from byzer_lab.client.llm_config import read_llm_config
from byzer_lab.client.session import session
from byzer_lab.client.settings import Settings
from byzer_lab.client.templates import RoleMapping, check_role_mapping, render
from byzer_lab.client.types import (
    LLMRequest,
    LLMResponse,
    SingleOutputMeta,
    StreamItem,
    metadata_of,
)
from byzer_lab.generation import filled, read_sampling
from byzer_lab.types import Chunk, GenerateRequest, TokenLogprob

ASKED_AT_ONCE = 32


class ChatCalls(Settings):
    """The calls; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def chat_oai(
        self,
        conversations: Conversations,
        model: str | None = None,
        role_mapping: RoleMapping | None = None,
        llm_config: Mapping[str, Any] | None = None,
    ) -> list[LLMResponse]:
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
        pieces = _Pieces(name, request, delta_mode)
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
        pieces = _Pieces(name, request, delta_mode)
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

    def _request(
        self,
        conversations: Conversations,
        model: str | None,
        llm_config: Mapping[str, Any] | None,
        role_mapping: RoleMapping | None = None,
    ) -> tuple[str, GenerateRequest]:
        name = self._model(model)
        request = read_llm_config(llm_config or {})
        messages = read_messages(conversations)
        own = self._role_mapping(name)
        mapping = own if role_mapping is None else check_role_mapping(role_mapping)
        if mapping is None:
            request.messages = messages
        else:
            request.prompt = render(messages, mapping)
        if template := self._of(name).template:
            defaults = read_sampling(template.generation_config)
            request.sampling = filled(request.sampling, defaults)
        return name, self._limited(name, request)

    def _whole_answer(self, model: str, request: GenerateRequest) -> LLMResponse:
        pieces = _Pieces(model, request, delta_mode=False)
        pin = self._pins.get("chat")
        for chunk in self._session.data_plane.stream(model, request, pin):
            item = pieces.next(chunk)
        return self._response(model, request, item, pieces)

    def _response(
        self, model: str, request: GenerateRequest, last: StreamItem, pieces: _Pieces
    ) -> LLMResponse:
        """The whole answer; one that is not whole has raised, so there is a last item."""
        asked = {"messages": msgspec.to_builtins(request.messages)}
        if request.prompt is not None:
            asked = {"prompt": request.prompt}
        template = self._of(model).template
        clean = template.clean_func if template else None
        output, metadata = last[0], dict(last[1].metadata)
        if files := pieces.files:
            output = files[0]
            metadata |= {"images": files} if len(files) > 1 else {}
        elif clean:
            output = clean(output)
        return LLMResponse(output=output, input=asked, metadata=metadata)

    async def _whole_answers(
        self, data_plane: DataPlane, calls: list[tuple[str, GenerateRequest]]
    ) -> list[LLMResponse]:
        at_once = asyncio.Semaphore(ASKED_AT_ONCE)

        async def answer(model: str, request: GenerateRequest) -> LLMResponse:
            pieces = _Pieces(model, request, delta_mode=False)
            chunks = data_plane.astream(model, request, self._pins.get("chat"))
            async with at_once, contextlib.aclosing(chunks):
                async for chunk in chunks:
                    item = pieces.next(chunk)
            return self._response(model, request, item, pieces)

        tasks = [asyncio.create_task(answer(*call)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:  # after a failure or an interrupt the other answers are wanted no more
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Pieces:
    """Turns chunks into stream items."""

    def __init__(self, model: str, request: GenerateRequest, delta_mode: bool) -> None:
        self._model = model
        self._request_id = request.request_id
        self._delta_mode = delta_mode
        self._text = ""
        self._reasoning = ""
        self._media_type = ""
        self._tokens = 0
        self._logprobs: list[TokenLogprob] = []
        self._data: list[bytes] = []

    def next(self, chunk: Chunk) -> StreamItem:
        self._tokens += chunk.tokens
        self._logprobs += chunk.logprobs
        self._reasoning += chunk.reasoning
        self._media_type = chunk.media_type or self._media_type
        meta = SingleOutputMeta(
            generated_tokens_count=self._tokens,
            reasoning=self._reasoning,
            media_type=self._media_type,
        )
        if chunk.usage and chunk.finish_reason:
            meta.finish_reason = chunk.finish_reason
            meta.input_tokens_count = chunk.usage.input_tokens
            meta.generated_tokens_count = chunk.usage.output_tokens
            meta.metadata = metadata_of(
                self._model, self._request_id, chunk.finish_reason, chunk.usage, self._logprobs
            )
            if self._reasoning:
                meta.metadata["reasoning"] = self._reasoning
            if self._media_type:
                meta.metadata["media_type"] = self._media_type
        if self._media_type:
            if chunk.data:
                self._data.append(chunk.data)
            return StreamItem(chunk.data, meta)
        if self._delta_mode:
            return StreamItem(chunk.text, meta)
        self._text += chunk.text
        return StreamItem(self._text, meta)

    @property
    def files(self) -> list[str]:
        """The sound, or each picture, as base64."""
        whole = self._data if self._media_type.startswith("image/") else [b"".join(self._data)]
        return [base64.b64encode(data).decode() for data in whole if data]
