"""``chat_oai`` and its streams: conversations with a model."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from typing import Any

from byzer_lab.client.apart import run_apart
from byzer_lab.client.conversations import Conversations
from byzer_lab.client.functions.calls import FunctionCalls
from byzer_lab.client.pictures import asks_with_picture, with_history
from byzer_lab.client.streams import Streams, Wanted
from byzer_lab.client.templates import RoleMapping
from byzer_lab.client.types import LLMRequest, LLMResponse, StreamItem
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest


class ChatCalls(FunctionCalls, Streams):
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
        unsafe: bool = False,
    ) -> list[Any]:
        """Let a model answer a conversation. An interrupt cancels on the worker.

        Args:
            conversations: Dicts with ``role`` and ``content``, or one user message as a text. It
                is not changed.
            tools: What the model may call: functions, pydantic models, JSON schemas; see
                :mod:`byzer_lab.client.tools.tool`.
            tool_choice: ``auto`` (default), ``none``, ``required``, or one of the tools.
            execute_tool: Run what it calls; so does ``max_tool_rounds``.
            impl_func: An empty function that the model is to write, with ``response_class`` as
                what it returns; see :mod:`byzer_lab.client.functions`.
            execute_impl_func: Run it.
            impl_func_params: Its arguments.
            func_params: Arguments of tools that the caller fills in; the model doesn't see them.
            response_class: What the answer is to be: a pydantic model or another class, a type
                such as ``list[Story]``, or a JSON schema; see :mod:`byzer_lab.client.typed.kinds`.
            response_after_chat: Let it answer freely first, then write that as the object.
            enable_default_sys_message: Let ``setup_base_system_messages`` and the
                ``setup_sys_*_format_func`` hold.
            model: Name of the deployment; default: the default model.
            role_mapping: Write the prompt with these words instead of the model's chat template
                or what :meth:`setup_template` set; see :mod:`byzer_lab.client.templates`.
            llm_config: Generation parameters, ``request_id`` and ``adapter``; see
                :mod:`byzer_lab.client.llm_config`.
            only_return_prompt: Ask nothing; the response's ``metadata`` is what would be sent.
            max_retries: How often an answer that is no such object is asked for again.
            max_tool_rounds: How often results of tools go back to the model, which then answers
                in prose; 0: the values are the answer.
            parallel_tool_calls: The model may call several tools in one answer.
            unsafe: Run the written function in this process, with all of its rights, not in the
                sandbox.

        Returns:
            One response, in a list: :class:`LLMClassResponse` with a ``response_class``,
            :class:`LLMFunctionCallResponse` with ``execute_tool``, else :class:`LLMResponse`; of
            one that calls tools nobody runs, ``metadata["tool_calls"]`` has the calls.

        Raises:
            InvalidRequestError: The arguments don't go together, or one of them is wrong.
            ByzerLabError: See :meth:`byzer_lab.client.data_plane.DataPlane.stream`.
        """
        with_tools = bool(tools) or callable(tool_choice)
        if with_tools and response_class is not None:
            raise InvalidRequestError(
                "tools and response_class don't go together: an answer is a call or an object. "
                "Pass the class as a tool, or ask twice."
            )
        if impl_func is not None and response_class is None:
            raise InvalidRequestError(
                "impl_func needs response_class: the class of what the function returns."
            )
        for name, is_set, has, what in (
            ("execute_tool", execute_tool, with_tools, "are no tools"),
            ("tool_choice", tool_choice not in (None, "auto", "none"), with_tools, "are no tools"),
            ("execute_impl_func", execute_impl_func, impl_func is not None, "is no impl_func"),
            ("unsafe", unsafe, impl_func is not None, "is no impl_func"),
            (
                "response_after_chat",
                response_after_chat,
                response_class is not None,
                "is no response_class",
            ),
        ):
            if is_set and not has:
                raise InvalidRequestError(f"{name} is set, but there {what}.")
        if not with_tools and response_class is None and not only_return_prompt:
            name, request = self._request(conversations, model, llm_config, role_mapping)
            return [self._told(self._whole_answer(name, request), request, llm_config)]
        system = enable_default_sys_message and (with_tools or response_class is not None)
        call = self._call(
            conversations, model, llm_config, role_mapping, system, only_return_prompt
        )
        if impl_func is not None:
            return [
                self._implemented(
                    call,
                    impl_func,
                    response_class,
                    execute_impl_func,
                    impl_func_params,
                    max_retries,
                    unsafe,
                )
            ]
        if response_class is not None:
            return [self._typed(call, response_class, response_after_chat, max_retries)]
        if with_tools:
            question = self._tool_question(
                call, tools, tool_choice, func_params, parallel_tool_calls
            )
            execute = execute_tool or max_tool_rounds != 0
            return [self._with_tools(call, question, execute, max_tool_rounds)]
        return [self._unasked(call, call.messages)]

    def stream_chat_oai(
        self,
        conversations: Conversations,
        model: str | None = None,
        role_mapping: RoleMapping | None = None,
        delta_mode: bool = False,
        llm_config: Mapping[str, Any] | None = None,
        *,
        response_class: Any = None,
        max_retries: int = 2,
        tools: Sequence[Any] = (),
        tool_choice: Any = None,
        execute_tool: bool = False,
        func_params: Mapping[str, Any] | None = None,
        parallel_tool_calls: bool = True,
    ) -> Generator[StreamItem]:
        """:meth:`chat_oai`, piece by piece. Closing the generator cancels on the worker.

        Args:
            conversations: As in :meth:`chat_oai`.
            model, role_mapping: As in :meth:`chat_oai`.
            delta_mode: Yield only what is new; else all of the text so far.
            llm_config: As in :meth:`chat_oai`.
            response_class: As in :meth:`chat_oai`; ``delta_mode`` doesn't matter then.
            max_retries: How often an answer that is no such object is asked for again; it then
                grows anew.
            tools, tool_choice, func_params, parallel_tool_calls: As in :meth:`chat_oai`.
            execute_tool: Run what is called when the answer has ended; the last item's
                ``meta.metadata`` has ``values`` and ``calls``.

        Yields:
            Pairs of text and :class:`SingleOutputMeta`, which also add up like texts. Of a model
            that speaks or draws: pairs of new bytes and meta, whatever ``delta_mode`` is. With
            ``tools``: ``meta.tool_calls`` are the calls so far and ``meta.tool_call_pieces`` what
            is new of them; calls are no text. With a ``response_class``: pairs of the object so far
            and meta. Of a pydantic model that is an unvalidated instance whose missing fields are
            ``None``, else plain data; the last one is validated, or ``None`` with
            ``meta.metadata["reason"]``; ``meta.metadata["output"]`` is then what the model wrote.
        """
        wanted = Wanted(
            response_class, max_retries, tools, tool_choice, execute_tool, func_params,
            parallel_tool_calls,
        )  # fmt: skip
        wanted.check()
        if not wanted.is_plain:
            yield from self._wanted_stream(
                wanted, conversations, model, llm_config, role_mapping, delta_mode
            )
            return
        name, request = self._request(conversations, model, llm_config, role_mapping)
        yield from self._items(self._exchange(name, request, delta_mode), name)

    async def async_stream_chat_oai(
        self,
        conversations: Conversations,
        role_mapping: RoleMapping | None = None,
        model: str | None = None,
        delta_mode: bool = False,
        llm_config: Mapping[str, Any] | None = None,
        *,
        response_class: Any = None,
        max_retries: int = 2,
        tools: Sequence[Any] = (),
        tool_choice: Any = None,
        execute_tool: bool = False,
        func_params: Mapping[str, Any] | None = None,
        parallel_tool_calls: bool = True,
    ) -> AsyncGenerator[StreamItem]:
        """:meth:`stream_chat_oai` for asyncio; ``role_mapping`` comes first, as in Byzer-LLM."""
        wanted = Wanted(
            response_class, max_retries, tools, tool_choice, execute_tool, func_params,
            parallel_tool_calls,
        )  # fmt: skip
        wanted.check()
        connection = await asyncio.to_thread(lambda: self._session)  # may start the cluster
        if wanted.is_plain:
            name, request = self._request(conversations, model, llm_config, role_mapping)
            exchange = self._exchange(name, request, delta_mode)
            items = self._aitems(exchange, name, connection.data_plane)
        else:
            items = self._wanted_astream(
                wanted, conversations, model, llm_config, role_mapping, delta_mode,
                connection.data_plane,
            )  # fmt: skip
        async with contextlib.aclosing(items):
            async for item in items:
                yield item

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
        found = run_apart(self._whole_answers(self._session.data_plane, calls))
        pairs = zip(found, calls, strict=True)
        return [self._told(response, request, config) for response, (_, request) in pairs]

    def _told(
        self,
        response: LLMResponse,
        request: GenerateRequest,
        llm_config: Mapping[str, Any] | None,
    ) -> LLMResponse:
        """An answer to a call with a picture tells its history, as Byzer-LLM's does."""
        if asks_with_picture(llm_config or {}) and "media_type" not in response.metadata:
            response.output = with_history(request.messages or [], response.output)
        return response

    raw_chat = chat
