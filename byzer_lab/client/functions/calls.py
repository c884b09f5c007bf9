"""``llm.impl``, ``llm.response`` and ``clear_impl_cache``."""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, Self

from byzer_lab.client.functions.asked import (
    AskedFunctions,
    check_instruction,
    check_retries,
    check_sandbox,
)
from byzer_lab.client.functions.cache import FunctionCache, Key, digest
from byzer_lab.client.functions.code import name_of
from byzer_lab.client.functions.implementation import GeneratedCodeError, Implementation
from byzer_lab.client.functions.names import names_in
from byzer_lab.client.functions.shown import Shown, shower
from byzer_lab.client.functions.signature import bind, callers_names, hints_of, returned
from byzer_lab.client.functions.writing import FunctionQuestion
from byzer_lab.client.typed.kinds import kind_of
from byzer_lab.errors import InvalidRequestError
from byzer_lab.sandbox.limits import Limits

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


class FunctionCalls(AskedFunctions):
    """The decorators; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self._functions = FunctionCache()

    def impl(
        self,
        instruction: str | None = None,
        model: str | None = None,
        verbose: bool | None = None,
        skip_cache: bool = False,
        unsafe: bool = False,
        *,
        disk_cache: bool = False,
        limits: Limits | None = None,
        max_retries: int = 2,
        llm_config: Mapping[str, Any] | None = None,
    ) -> Decorator:
        """Let a model write the decorated function, which is empty but for its docstring.

        It is written at the first call, and runs in the sandbox: without files, network and
        processes, with limits; see docs/sandbox.md. What it returns is validated. It is written
        anew where model, instruction, signature, docstring or the returned class have changed.

        Args:
            instruction: What it is to answer, beside its docstring.
            model: Name of the deployment; default: the default model.
            verbose: Show the code and what it cost: ``True`` always, and what it prints as well;
                ``None`` in a notebook when it was just written; ``False`` never.
            skip_cache: Have it written at each call.
            unsafe: Run it in this process, with all of its rights.
            disk_cache: Keep it in the user's folder, for other processes.
            limits: Of a run, instead of the sandbox's own.
            max_retries: How often the model is asked again where it fails.
            llm_config: As in ``chat_oai``.

        Returns:
            A decorator. The function raises :class:`GeneratedCodeError` where no implementation
            worked, or one that is kept fails.

        Raises:
            InvalidRequestError: The function doesn't say what it returns.
        """
        check_retries(max_retries)
        check_instruction(instruction, "impl")

        def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
            hints = hints_of(func, callers_names(1)) if inspect.isfunction(func) else {}
            asked = returned(func, hints, "impl")
            kind = kind_of(asked)
            name = name_of(func)
            signature = inspect.signature(func)
            schema = json.dumps(kind.schema, sort_keys=True)
            names = names_in(hints.values())
            seen = digest(str(signature), str(hints), str(names), func.__doc__ or "", schema)
            full_name = f"{func.__module__}.{func.__name__}"
            make = functools.partial(
                Implementation,
                name,
                kind=kind,
                names=names,
                limits=limits,
                unsafe=unsafe,
            )
            show = shower(self._said(verbose))

            def call(*args: Any, **kwargs: Any) -> Any:
                bound = bind(signature, func.__name__, args, kwargs)
                bound.apply_defaults()
                named = self._model(model)
                key = Key(named, instruction or "", full_name, seen)
                source = None if skip_cache else self._functions.get(key, disk_cache)
                if source is not None:
                    kept = make(source)
                    show(Shown(kept))
                    ran = kept.run(bound.args, bound.kwargs)
                    self._print(ran.stdout, verbose)
                    return kept.value_of(ran)
                asking = self._call(instruction or "", named, llm_config, None)
                question = FunctionQuestion(name, make, self._language, max_retries, show)
                if not unsafe:
                    check_sandbox(bound.args, bound.kwargs)
                answer = self._written(asking, question, func, asked, bound.args, bound.kwargs)
                self._print(answer.metadata["stdout"], verbose)
                if answer.metadata["reason"]:
                    raise GeneratedCodeError(
                        f"The model {named} wrote no function {name} that works. "
                        f"{answer.metadata['reason']}",
                        raw_func=answer.metadata["raw_func"],
                    )
                self._functions.put(key, answer.metadata["raw_func"], disk_cache)
                return answer.value

            return _as(func, call)

        return decorate

    def response(
        self,
        instruction: str | None = None,
        model: str | None = None,
        verbose: bool | None = None,
        *,
        llm_config: Mapping[str, Any] | None = None,
    ) -> Decorator:
        """Let a model answer in place of the decorated function, whose one parameter is a text.

        Args:
            instruction: Stands before the text; default: the function's docstring.
            model: Name of the deployment; default: the default model.
            verbose: Print why there is no answer.
            llm_config: As in ``chat_oai``.

        Returns:
            A decorator. The function returns what its annotation says, or ``None`` where the model
            didn't answer so.

        Raises:
            InvalidRequestError: The function has other parameters, or says not what it returns.
        """
        check_instruction(instruction, "response")

        def decorate(func: Callable[..., Any]) -> Callable[..., Any]:
            hints = hints_of(func, callers_names(1)) if inspect.isfunction(func) else {}
            asked = returned(func, hints, "response")
            signature = inspect.signature(func)
            if len(signature.parameters) != 1:
                raise InvalidRequestError(
                    f"response decorates functions with one parameter, a text; {func.__name__} has "
                    f"{len(signature.parameters)}."
                )
            before = instruction if instruction is not None else inspect.getdoc(func)

            def call(*args: Any, **kwargs: Any) -> Any:
                bound = bind(signature, func.__name__, args, kwargs)
                bound.apply_defaults()
                (text,) = bound.arguments.values()
                if not isinstance(text, str):
                    raise InvalidRequestError(
                        f"{func.__name__} takes a text, not {type(text).__name__}."
                    )
                whole = "\n\n".join(part for part in (before, text) if part)
                asking = self._call(whole, model, llm_config, None)
                answer = self._typed(asking, asked, False, 2)
                if answer.value is None and self._said(verbose):
                    print(f"{func.__name__}: {answer.metadata['reason']}")
                return answer.value

            return _as(func, call)

        return decorate

    def clear_impl_cache(
        self,
        model: str | None = None,
        full_func_name: str | None = None,
        instruction: str | None = None,
    ) -> Self:
        """Forget functions that models wrote, on disk too; without arguments, all of them.

        Args:
            model: Those of this model.
            full_func_name: Those whose module and name end with this, such as ``__main__.f``.
            instruction: Those with this instruction; ``""``: those without one.

        Raises:
            InvalidRequestError: Model and function are given, and no instruction.
        """
        if model is not None and full_func_name is not None and instruction is None:
            raise InvalidRequestError(
                "instruction is required where model and full_func_name are given; pass "
                'instruction="" for a function without one.'
            )
        self._functions.clear(model, full_func_name, instruction)
        return self


def _as(func: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
    """A call in the guise of a function, and asynchronous where that is."""
    if not inspect.iscoroutinefunction(func):
        return functools.wraps(func)(call)

    async def acall(*args: Any, **kwargs: Any) -> Any:
        return await asyncio.to_thread(call, *args, **kwargs)

    return functools.wraps(func)(acall)
