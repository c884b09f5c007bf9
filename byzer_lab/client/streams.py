"""Streams of objects and of answers that call tools, with and without asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from byzer_lab.client.abilities import Abilities, Call
from byzer_lab.client.conversations import Conversations
from byzer_lab.client.data_plane import DataPlane
from byzer_lab.client.templates import RoleMapping
from byzer_lab.client.tools.rounds import ToolQuestion
from byzer_lab.client.tools.streaming import CallingStream
from byzer_lab.client.typed.asking import TypedAttempts, TypedQuestion
from byzer_lab.client.typed.schemas import REFUSALS
from byzer_lab.client.typed.streaming import Growing
from byzer_lab.client.types import StreamItem
from byzer_lab.errors import ContextLengthError, InvalidRequestError


@dataclass(frozen=True)
class Wanted:
    """What a stream is to be beside text, as ``stream_chat_oai`` got it.

    Attributes:
        response_class: An object.
        max_retries: How often it is asked for again.
        tools, tool_choice, execute_tool, func_params, parallel_tool_calls: As in ``chat_oai``.
    """

    response_class: Any
    max_retries: int
    tools: Sequence[Any]
    tool_choice: Any
    execute_tool: bool
    func_params: Mapping[str, Any] | None
    parallel_tool_calls: bool

    @property
    def with_tools(self) -> bool:
        """It may call tools."""
        return bool(self.tools) or callable(self.tool_choice)

    def check(self) -> None:
        """Refuse what doesn't go together."""
        if self.with_tools and self.response_class is not None:
            raise InvalidRequestError(
                "tools and response_class don't go together: an answer is a call or an object. "
                "Pass the class as a tool, or ask twice."
            )
        chosen = self.tool_choice not in (None, "auto", "none")
        for name, is_set in (("execute_tool", self.execute_tool), ("tool_choice", chosen)):
            if is_set and not self.with_tools:
                raise InvalidRequestError(f"{name} is set, but there are no tools.")

    @property
    def is_plain(self) -> bool:
        """It is text."""
        return self.response_class is None and not self.with_tools


class Streams(Abilities):
    """The streams; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def _wanted_stream(
        self,
        wanted: Wanted,
        conversations: Conversations,
        model: str | None,
        llm_config: Mapping[str, Any] | None,
        role_mapping: RoleMapping | None,
        delta_mode: bool,
    ) -> Generator[StreamItem]:
        call = self._call(conversations, model, llm_config, role_mapping)
        if wanted.response_class is None:
            yield from self._tool_stream(call, self._question(call, wanted), wanted, delta_mode)
            return
        question = self._typed_question(call, wanted.response_class, wanted.max_retries)
        attempts = TypedAttempts(question, question.written(call.messages))
        while not attempts.over:
            growing = Growing(question, attempts)
            request = self._one(call, attempts.messages, attempts.fields)
            try:
                for item in self._items(self._exchange(call.model, request), call.model):
                    yield from growing.take(item)
            except REFUSALS as error:
                attempts.refuse(error)

    async def _wanted_astream(
        self,
        wanted: Wanted,
        conversations: Conversations,
        model: str | None,
        llm_config: Mapping[str, Any] | None,
        role_mapping: RoleMapping | None,
        delta_mode: bool,
        plane: DataPlane,
    ) -> AsyncGenerator[StreamItem]:
        call = self._call(conversations, model, llm_config, role_mapping)
        if wanted.response_class is None:
            question = await asyncio.to_thread(self._question, call, wanted)
            async for item in self._tool_astream(call, question, wanted, delta_mode, plane):
                yield item
            return
        typed: TypedQuestion = await asyncio.to_thread(
            self._typed_question, call, wanted.response_class, wanted.max_retries
        )
        attempts = TypedAttempts(typed, typed.written(call.messages))
        while not attempts.over:
            growing = Growing(typed, attempts)
            request = self._one(call, attempts.messages, attempts.fields)
            try:
                exchange = self._exchange(call.model, request)
                async for item in self._aitems(exchange, call.model, plane):
                    for one in growing.take(item):
                        yield one
            except REFUSALS as error:
                attempts.refuse(error)

    def _question(self, call: Call, wanted: Wanted) -> ToolQuestion:
        return self._tool_question(
            call,
            wanted.tools,
            wanted.tool_choice,
            wanted.func_params,
            wanted.parallel_tool_calls,
        )

    def _tool_stream(
        self, call: Call, question: ToolQuestion, wanted: Wanted, delta_mode: bool
    ) -> Generator[StreamItem]:
        for fields, is_last in _lookahead(question.fields(question.choice)):
            calling = CallingStream(question, delta_mode, wanted.execute_tool)
            request = self._one(call, question.written(call.messages, question.choice), fields)
            try:
                exchange = self._exchange(call.model, request, delta_mode=True)
                for item in self._items(exchange, call.model):
                    yield from calling.take(item)
                return
            except REFUSALS as error:
                _raise_for(error, calling, is_last)

    async def _tool_astream(
        self,
        call: Call,
        question: ToolQuestion,
        wanted: Wanted,
        delta_mode: bool,
        plane: DataPlane,
    ) -> AsyncGenerator[StreamItem]:
        for fields, is_last in _lookahead(question.fields(question.choice)):
            calling = CallingStream(question, delta_mode, wanted.execute_tool)
            request = self._one(call, question.written(call.messages, question.choice), fields)
            try:
                exchange = self._exchange(call.model, request, delta_mode=True)
                async for item in self._aitems(exchange, call.model, plane):
                    # tools may take their time; the loop is not theirs
                    run = wanted.execute_tool and item[1].finish_reason
                    taken = await asyncio.to_thread(list, calling.take(item)) if run else None
                    for one in calling.take(item) if taken is None else taken:
                        yield one
                return
            except REFUSALS as error:
                _raise_for(error, calling, is_last)

    def _one(self, call: Call, messages: Any, fields: dict[str, Any]) -> Any:
        _, request = self._request(messages, call.model, call.llm_config, call.role_mapping)
        return msgspec.structs.replace(request, **fields)


def _raise_for(error: Exception, calling: CallingStream, is_last: bool) -> None:
    """Raise what is not about the form in which the tools were sent."""
    if is_last or calling.started or isinstance(error, ContextLengthError):
        raise error


def _lookahead(fields: Iterator[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each with whether it is the last one."""
    listed = list(fields)
    for place, one in enumerate(listed):
        yield one, place == len(listed) - 1
