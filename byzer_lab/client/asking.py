"""One question to one model: what ``chat_oai`` and everything that is built on it ask with."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Generator, Mapping
from typing import Any, Protocol, Self

import msgspec

from byzer_lab.client.conversations import Conversations, read_messages
from byzer_lab.client.data_plane import DataPlane
from byzer_lab.client.events import Callback, Callbacks, EventName
from byzer_lab.client.exchanges import Exchange, Running
from byzer_lab.client.llm_config import read_llm_config
from byzer_lab.client.pictures import ADDRESSES, read_here, take_pictures, with_pictures
from byzer_lab.client.pieces import Pieces
from byzer_lab.client.settings import Settings
from byzer_lab.client.templates import RoleMapping, check_role_mapping, render
from byzer_lab.client.types import LLMResponse, StreamItem, asked_with
from byzer_lab.errors import InvalidRequestError
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

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._callbacks = Callbacks()
        self._running = Running()

    def add_event_callback(self, name: EventName | str, callback: Callback) -> Self:
        """Have a function called before or after each question to a model that answers with text,
        streams and questions that are asked again included.

        Args:
            name: An :class:`EventName`.
            callback: See :data:`byzer_lab.client.events.Callback`. What takes the place of a
                stream's answer comes as its last item.

        Raises:
            InvalidRequestError: There is no such event, or the callback is no function.
        """
        self._callbacks.add(name, callback)
        return self

    def abort(self, request_id: str, model: str | None = None) -> bool:
        """End an answer that another thread of this process waits for, with its next piece. It
        ends with what has come, and ``finish_reason`` is ``cancelled``.

        Args:
            request_id: Of ``llm_config``.
            model: Accepted as Byzer-LLM writes it; the id is enough.

        Returns:
            Whether this client was waiting for such an answer.
        """
        return self._running.end(request_id)

    def _request(
        self,
        conversations: Conversations,
        model: str | None,
        llm_config: Mapping[str, Any] | None,
        role_mapping: RoleMapping | None = None,
    ) -> tuple[str, GenerateRequest]:
        name = self._model(model)
        pictures, history, config = take_pictures(llm_config or {})
        request = read_llm_config(config)
        messages = [*(read_messages(history) if history else ()), *read_messages(conversations)]
        messages = self._seen(name, with_pictures(messages, pictures))
        own = self._role_mapping(name)
        mapping = own if role_mapping is None else check_role_mapping(role_mapping)
        if mapping is None:
            request.messages = messages
        elif any(message.images for message in messages):
            raise InvalidRequestError(
                "Pictures go with the model's own chat template; leave role_mapping and "
                "setup_template out."
            )
        else:
            request.prompt = render(messages, mapping)
        if template := self._of(name).template:
            defaults = read_sampling(template.generation_config)
            request.sampling = filled(request.sampling, defaults)
        return name, self._limited(name, request)

    def _seen(self, name: str, messages: list[Message]) -> list[Message]:
        """A conversation whose pictures' paths were read here, and whose addresses were, where
        the model is no provider's, which would fetch them itself."""
        urls = [image.url for message in messages for image in message.images]
        if all(url.startswith("data:") for url in urls):
            return messages
        fetches = any(url.startswith(ADDRESSES) for url in urls) and not self._is_service(name)
        return [read_here(message, fetches) for message in messages]

    def _is_service(self, name: str) -> bool:
        """Whether a deployment is a provider's model."""
        return self._record(name).meta.get("model_deploy_type") == "saas"

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

    def _items(self, exchange: Exchange, model: str) -> Generator[StreamItem]:
        """The items of an answer. Closing the generator cancels on the worker."""
        if exchange.given is not None:
            yield exchange.given
            return
        request = exchange.request
        stream = self._session.data_plane.stream(model, request, self._pins.get("chat"))
        with contextlib.closing(stream) as chunks, self._running.kept(request.request_id) as end:
            for chunk in chunks:
                ended = end.is_set()
                yield exchange.take(chunk, ended)
                if ended:
                    return

    async def _aitems(
        self, exchange: Exchange, model: str, data_plane: DataPlane
    ) -> AsyncGenerator[StreamItem]:
        """:meth:`_items` for asyncio."""
        if exchange.given is not None:
            yield exchange.given
            return
        request = exchange.request
        stream = data_plane.astream(model, request, self._pins.get("chat"))
        with self._running.kept(request.request_id) as end:
            async with contextlib.aclosing(stream) as chunks:
                async for chunk in chunks:
                    ended = end.is_set()
                    yield exchange.take(chunk, ended)
                    if ended:
                        return

    def _exchange(self, model: str, request: GenerateRequest, delta_mode: bool = False) -> Exchange:
        return Exchange(self, self._callbacks, model, request, delta_mode)

    def _whole_answer(self, model: str, request: GenerateRequest) -> LLMResponse:
        exchange = self._exchange(model, request)
        for item in self._items(exchange, model):
            last = item
        return self._response(model, exchange.request, last, exchange.pieces)

    def _response(
        self, model: str, request: GenerateRequest, last: StreamItem, pieces: Pieces
    ) -> LLMResponse:
        """The whole answer; one that is not whole has raised, so there is a last item."""
        template = self._of(model).template
        clean = template.clean_func if template else None
        output, metadata = last[0], dict(last[1].metadata)
        if drawn := pieces.drawn:
            output = json.dumps(drawn, ensure_ascii=False)
        elif files := pieces.files:
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
            exchange = self._exchange(model, request)
            items = self._aitems(exchange, model, data_plane)
            async with at_once, contextlib.aclosing(items):
                async for item in items:
                    last = item
            return self._response(model, exchange.request, last, exchange.pieces)

        tasks = [asyncio.create_task(answer(*call)) for call in calls]
        try:
            return await asyncio.gather(*tasks)
        finally:  # after a failure or an interrupt the other answers are wanted no more
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
