"""One question to one model: what ``chat_oai`` and everything that is built on it ask with."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from byzer_lab.client.conversations import Conversations, read_messages
from byzer_lab.client.data_plane import DataPlane
from byzer_lab.client.llm_config import read_llm_config
from byzer_lab.client.pieces import Pieces
from byzer_lab.client.settings import Settings
from byzer_lab.client.templates import RoleMapping, check_role_mapping, render
from byzer_lab.client.types import LLMResponse, StreamItem
from byzer_lab.generation import filled, read_sampling
from byzer_lab.types import GenerateRequest, Message

ASKED_AT_ONCE = 32


class Ask(Protocol):
    """Asks one model, which is settled, as are the generation parameters."""

    def __call__(self, messages: list[Message], **fields: Any) -> LLMResponse:
        """Ask.

        Args:
            messages: The conversation.
            fields: Of :class:`GenerateRequest`: ``response_schema``, ``tools`` and their kin.
        """


class Asking(Settings):
    """The questions; :class:`byzer_lab.client.chatting.ChatCalls` makes its calls of them."""

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

    def _ask(
        self,
        model: str,
        llm_config: Mapping[str, Any] | None,
        role_mapping: RoleMapping | None = None,
    ) -> Ask:
        def ask(messages: list[Message], **fields: Any) -> LLMResponse:
            _, request = self._request(messages, model, llm_config, role_mapping)
            return self._whole_answer(model, msgspec.structs.replace(request, **fields))

        return ask

    def _whole_answer(self, model: str, request: GenerateRequest) -> LLMResponse:
        pieces = Pieces(model, request.request_id, delta_mode=False)
        pin = self._pins.get("chat")
        for chunk in self._session.data_plane.stream(model, request, pin):
            item = pieces.next(chunk)
        return self._response(model, request, item, pieces)

    def _response(
        self, model: str, request: GenerateRequest, last: StreamItem, pieces: Pieces
    ) -> LLMResponse:
        """The whole answer; one that is not whole has raised, so there is a last item."""
        template = self._of(model).template
        clean = template.clean_func if template else None
        output, metadata = last[0], dict(last[1].metadata)
        if files := pieces.files:
            output = files[0]
            metadata |= {"images": files} if len(files) > 1 else {}
        elif clean:
            output = clean(output)
        return LLMResponse(output=output, input=asked_with(request), metadata=metadata)

    async def _whole_answers(
        self, data_plane: DataPlane, calls: list[tuple[str, GenerateRequest]]
    ) -> list[LLMResponse]:
        at_once = asyncio.Semaphore(ASKED_AT_ONCE)

        async def answer(model: str, request: GenerateRequest) -> LLMResponse:
            pieces = Pieces(model, request.request_id, delta_mode=False)
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


def asked_with(request: GenerateRequest) -> dict[str, Any]:
    """``LLMResponse.input`` of a request."""
    if request.prompt is not None:
        return {"prompt": request.prompt}
    return {"messages": msgspec.to_builtins(request.messages)}
