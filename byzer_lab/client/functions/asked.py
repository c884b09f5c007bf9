"""``chat_oai(impl_func=...)``, and what the decorators share with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from byzer_lab.client.abilities import ONLY_PROMPT, Abilities, Call
from byzer_lab.client.functions.code import NoFunctionError, code_in, name_of
from byzer_lab.client.functions.implementation import Implementation
from byzer_lab.client.functions.names import names_in
from byzer_lab.client.functions.shown import shower
from byzer_lab.client.functions.signature import hints_of
from byzer_lab.client.functions.writing import FunctionQuestion
from byzer_lab.client.typed.asking import with_text
from byzer_lab.client.typed.kinds import kind_of
from byzer_lab.client.types import LLMClassResponse, LLMResponse
from byzer_lab.errors import InvalidRequestError
from byzer_lab.sandbox.support import require
from byzer_lab.sandbox.values import encode_call
from byzer_lab.types import Message


class AskedFunctions(Abilities):
    """The questions for functions; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    _verbose = False

    def _implemented(
        self,
        call: Call,
        func: Callable[..., Any] | str,
        response_class: Any,
        execute: bool,
        params: Mapping[str, Any] | None,
        max_retries: int,
        unsafe: bool,
    ) -> LLMResponse | LLMClassResponse:
        """``chat_oai`` with an ``impl_func``."""
        check_retries(max_retries)
        kind, name = kind_of(response_class), name_of(func)
        if params is not None and not isinstance(params, Mapping):
            raise InvalidRequestError(
                f"impl_func_params is {params!r}; it is a dict of the function's arguments."
            )
        if call.only_prompt:
            response = self._unasked(call, self._impl_messages(call, func, response_class))
            reasons = {"reason": ONLY_PROMPT, "resason": ONLY_PROMPT}
            return LLMClassResponse(response, response, response.metadata | reasons)
        if not execute:
            messages = self._impl_messages(call, func, response_class)
            response = self._ask(call.model, call.llm_config, call.role_mapping)(messages)
            try:
                response.metadata["raw_func"] = code_in(response.output, name)
            except NoFunctionError as error:
                response.metadata["reason"] = response.metadata["resason"] = f"{error}."
            return response
        hints = hints_of(func, {}) if inspect.isfunction(func) else {}
        names = names_in([response_class, *hints.values()])
        question = FunctionQuestion(
            name,
            lambda source: Implementation(name, source, kind, names, unsafe=unsafe),
            self._language,
            max_retries,
            shower(self._said(None)),
        )
        if not unsafe:
            check_sandbox((), params or {})
        return self._written(call, question, func, response_class, (), params or {})

    def _written(
        self,
        call: Call,
        question: FunctionQuestion,
        func: Callable[..., Any] | str,
        asked: Any,
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
    ) -> LLMClassResponse:
        messages = self._impl_messages(call, func, asked)
        ask = self._ask(call.model, call.llm_config, call.role_mapping)
        return question.ask(ask, messages, args, kwargs)

    def _impl_messages(
        self, call: Call, func: Callable[..., Any] | str, asked: Any
    ) -> list[Message]:
        write = self._impl_func_text(call.model, call.system)
        return with_text(call.messages, lambda prompt: write(prompt, func, asked))

    def _said(self, verbose: bool | None) -> bool | None:
        """``verbose`` of a call, or of the client."""
        return True if verbose is None and self._verbose else verbose

    def _print(self, stdout: str, verbose: bool | None) -> None:
        if stdout and self._said(verbose):
            print(stdout, end="" if stdout.endswith("\n") else "\n")


def check_retries(max_retries: int) -> None:
    """Refuse what is no number of times."""
    if not isinstance(max_retries, int) or max_retries < 0:
        raise InvalidRequestError(
            f"max_retries is {max_retries!r}; it must be a whole number of at least 0."
        )


def check_instruction(instruction: Any, decorator: str) -> None:
    """Refuse what is no text, most likely the function of a decorator without parentheses."""
    if instruction is not None and not isinstance(instruction, str):
        raise InvalidRequestError(
            f"The instruction of {decorator} is {instruction!r}; it must be a text. The decorator "
            f"stands with parentheses: @llm.{decorator}()."
        )


def check_sandbox(args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Refuse before a model is asked for what could not run."""
    require()
    encode_call(args, kwargs)
