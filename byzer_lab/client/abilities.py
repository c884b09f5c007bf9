"""What ``chat_oai`` does beside chatting: objects and tools, with the client's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from byzer_lab.client.asking import Asking
from byzer_lab.client.conversations import Conversations, read_messages
from byzer_lab.client.hooks import Hooks
from byzer_lab.client.templates import RoleMapping
from byzer_lab.client.tools.rounds import ToolQuestion, calls_text
from byzer_lab.client.tools.tool import choice_of, listed, local_tools
from byzer_lab.client.typed.asking import TypedQuestion
from byzer_lab.client.typed.kinds import kind_of
from byzer_lab.client.types import (
    LLMClassResponse,
    LLMFunctionCallResponse,
    LLMResponse,
    asked_with,
)
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest, Message

ONLY_PROMPT = "Only return prompt"


@dataclass(frozen=True)
class Call:
    """What is common to all questions of one call.

    Attributes:
        model: Who is asked.
        messages: The conversation.
        llm_config, role_mapping: As ``chat_oai`` got them.
        system: ``enable_default_sys_message``.
        only_prompt: Nothing is asked; what would be is the answer.
    """

    model: str
    messages: list[Message]
    llm_config: Mapping[str, Any] | None
    role_mapping: RoleMapping | None
    system: bool
    only_prompt: bool


class Abilities(Asking, Hooks):
    """The questions with abilities; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def _call(
        self,
        conversations: Conversations,
        model: str | None,
        llm_config: Mapping[str, Any] | None,
        role_mapping: RoleMapping | None,
        system: bool = True,
        only_prompt: bool = False,
    ) -> Call:
        name = self._model(model)
        messages = read_messages(conversations)
        if system and (base := self._of(name).base_system):
            if messages[0].role == "system":
                own = messages[0]
                messages[0] = Message(role="system", content=f"{base}\n\n{own.text}")
            else:
                messages.insert(0, Message(role="system", content=base))
        return Call(name, messages, llm_config, role_mapping, system, only_prompt)

    def _typed_question(self, call: Call, response_class: Any, max_retries: int) -> TypedQuestion:
        if not isinstance(max_retries, int) or max_retries < 0:
            raise InvalidRequestError(
                f"max_retries is {max_retries!r}; it must be a whole number of at least 0."
            )
        return TypedQuestion(
            kind=kind_of(response_class),
            structured=str(self._record(call.model).meta.get("structured_output") or ""),
            write=self._response_class_text(call.model, call.system, response_class),
            language=self._language,
            max_retries=max_retries,
        )

    def _typed(
        self, call: Call, response_class: Any, after_chat: bool, max_retries: int
    ) -> LLMClassResponse:
        question = self._typed_question(call, response_class, max_retries)
        if call.only_prompt:
            response = self._unasked(
                call, question.written(call.messages), response_schema=question.schemas[0]
            )
            reasons = {"reason": ONLY_PROMPT, "resason": ONLY_PROMPT}
            return LLMClassResponse(response, response, response.metadata | reasons)
        ask = self._ask(call.model, call.llm_config, call.role_mapping)
        if not after_chat:
            return question.ask(ask, question.written(call.messages))
        free = ask(call.messages)
        write = self._after_chat_text(call.model, call.system, response_class)
        messages = [
            *call.messages,
            Message(role="assistant", content=free.output),
            Message(role="user", content=write(free.output, question.told)),
        ]
        answer = question.ask(ask, messages)
        answer.metadata["chat"] = free.output
        return answer

    def _tool_question(
        self,
        call: Call,
        tools: Sequence[Any],
        tool_choice: Any,
        func_params: Mapping[str, Any] | None,
        parallel: bool,
    ) -> ToolQuestion:
        given = listed(tools or ())
        if tool_choice is not None and not isinstance(tool_choice, str | Mapping):
            given += [] if tool_choice in given else [tool_choice]
        if func_params is not None and not isinstance(func_params, Mapping):
            raise InvalidRequestError(
                f"func_params is {func_params!r}; it is a dict of arguments of the tools."
            )
        read = local_tools(given, func_params)
        choice = choice_of(tool_choice, read)
        meta = self._record(call.model).meta
        hook = self._hooked(call.model, "function_calling", call.system)
        as_prompt = self._role_mapping(call.model) is not None or call.role_mapping is not None
        by_name = {one.tool.name: one.given for one in read}
        write = self._tools_text(call.model, call.system)
        told = given if hook else read  # a function of ours sees what func_params hides
        return ToolQuestion(
            tools=read,
            choice=choice,
            parallel=parallel,
            native=bool(meta.get("support_tools")) and hook is None and not as_prompt,
            structured=str(meta.get("structured_output") or ""),
            write=lambda prompt, chosen: write(
                prompt, told, None if chosen == "auto" else by_name.get(chosen, chosen)
            ),
            language=self._language,
        )

    def _with_tools(
        self, call: Call, question: ToolQuestion, execute: bool, rounds: int
    ) -> LLMResponse | LLMFunctionCallResponse:
        if not isinstance(rounds, int) or rounds < 0:
            raise InvalidRequestError(
                f"max_tool_rounds is {rounds!r}; it must be a whole number of at least 0."
            )
        ask = self._ask(call.model, call.llm_config, call.role_mapping)
        if execute and not call.only_prompt:
            return question.run(ask, call.messages, rounds)
        messages = question.written(call.messages, question.choice)
        if call.only_prompt:
            return self._unasked(call, messages, **next(question.fields(question.choice)))
        response, calls = question.ask(ask, messages, question.choice)
        if calls:
            response.metadata["tool_calls"] = msgspec.to_builtins(calls)
            response.output = response.output or calls_text(calls)
        return response

    def _unasked(self, call: Call, messages: list[Message], **fields: Any) -> LLMResponse:
        """What would be asked: the request is the metadata."""
        _, request = self._request(messages, call.model, call.llm_config, call.role_mapping)
        request = msgspec.structs.replace(request, **fields)
        return LLMResponse(output="", input=asked_with(request), metadata=_as_dict(request))


def _as_dict(request: GenerateRequest) -> dict[str, Any]:
    built: dict[str, Any] = msgspec.to_builtins(request)
    return built
