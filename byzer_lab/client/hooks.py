"""``setup_*_format_func``: whose words ask a model for objects, tools and functions."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Self

from byzer_lab.client.formats import (
    function_calling_format,
    function_impl_format,
    response_class_format,
    response_class_format_after_chat,
)
from byzer_lab.client.settings import Settings
from byzer_lab.client.wording import words
from byzer_lab.errors import InvalidRequestError

Format = Callable[..., str]
SYSTEM = "sys_"
"""Of formats that go before the others while ``enable_default_sys_message`` is on."""


REST = (
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.VAR_KEYWORD,
    inspect.Parameter.KEYWORD_ONLY,
)
GIVEN: dict[str, tuple[str, ...]] = {
    "function_calling": ("the last user message", "the tools", "the chosen one"),
    "response_class": ("the last user message", "the class"),
    "response_class_after_chat": ("the class",),
    "impl_func": ("the question", "the function", "its return class"),
}
"""What a hook is called with; one after a chat may take the answer before the class."""


class Hooks(Settings):
    """The hooks; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def setup_function_calling_format_func(self, model: str, func: Format) -> Self:
        """How a model is told of tools.

        Args:
            model: Name of the deployment.
            func: Given the last user message, the tools and the chosen one (``None``: any), returns
                what the model gets instead of that message. It answers with JSON as
                :func:`byzer_lab.client.tools.calls.calls_in` reads it. With such a function a
                model is told in words even where its engine takes tools.
        """
        return self._hook(model, "function_calling", func)

    def setup_response_class_format_func(self, model: str, func: Format) -> Self:
        """How a model is asked for an object.

        Args:
            model: Name of the deployment.
            func: Given the last user message and the class, returns what the model gets instead.
        """
        return self._hook(model, "response_class", func)

    def setup_response_class_format_after_chat_func(self, model: str, func: Format) -> Self:
        """How a model is asked to write its free answer as an object.

        Args:
            model: Name of the deployment.
            func: Given the class (or the answer and the class), returns the next user message.
        """
        return self._hook(model, "response_class_after_chat", func)

    def setup_impl_func_format_func(self, model: str, func: Format) -> Self:
        """How a model is asked to write a function.

        Args:
            model: Name of the deployment.
            func: Given the question, the empty function and its return class, returns what the
                model gets.
        """
        return self._hook(model, "impl_func", func)

    def setup_sys_function_calling_format_func(self, model: str, func: Format) -> Self:
        """:meth:`setup_function_calling_format_func` for calls that leave
        ``enable_default_sys_message`` on; it goes before the other. So do its kin."""
        return self._hook(model, f"{SYSTEM}function_calling", func)

    def setup_sys_response_class_format_func(self, model: str, func: Format) -> Self:
        """See :meth:`setup_response_class_format_func`."""
        return self._hook(model, f"{SYSTEM}response_class", func)

    def setup_sys_response_class_format_after_chat_func(self, model: str, func: Format) -> Self:
        """See :meth:`setup_response_class_format_after_chat_func`."""
        return self._hook(model, f"{SYSTEM}response_class_after_chat", func)

    def setup_sys_impl_func_format_func(self, model: str, func: Format) -> Self:
        """See :meth:`setup_impl_func_format_func`."""
        return self._hook(model, f"{SYSTEM}impl_func", func)

    def setup_base_system_messages(self, model: str, text: str) -> Self:
        """A system message for questions that ask for objects, tools or functions, where
        ``enable_default_sys_message`` is on; by default there is none. It stands before the
        conversation's own."""
        self._of(model).base_system = text
        return self

    def setup_wording_language(self, language: str) -> Self:
        """The language of our own words in prompts; see :mod:`byzer_lab.client.wording`.

        Raises:
            InvalidRequestError: There is no such language.
        """
        words("choice_auto", language)
        self._language = language
        return self

    def _hook(self, model: str, name: str, func: Format) -> Self:
        if not callable(func):
            raise InvalidRequestError(f"{func!r} is no function that writes a prompt.")
        _check_takes(func, GIVEN[name.removeprefix(SYSTEM)])
        self._of(model).formats[name] = func
        return self

    def _hooked(self, model: str, name: str, system: bool) -> Format | None:
        """What was set up; ``None`` where the default holds."""
        formats = self._of(model).formats
        own = formats.get(f"{SYSTEM}{name}") if system else None
        hook = own or formats.get(name)
        return None if hook is None else _checked(hook)

    def _response_class_text(self, model: str, system: bool, asked: Any) -> Format:
        """Takes the question and what our own words describe; a hook gets what was asked for."""
        hook = self._hooked(model, "response_class", system)
        if hook is None:
            return lambda prompt, told: response_class_format(prompt, told, self._language)
        return lambda prompt, _: hook(prompt, asked)

    def _after_chat_text(self, model: str, system: bool, asked: Any) -> Format:
        """Takes the answer and what our own words describe; a hook gets what was asked for."""
        hook = self._hooked(model, "response_class_after_chat", system)
        if hook is None:
            return lambda _, told: response_class_format_after_chat(told, self._language)
        parameters = inspect.signature(hook).parameters.values()
        needed = [one for one in parameters if one.default is one.empty and one.kind not in REST]
        if len(needed) > 1:
            return lambda answer, _: hook(answer, asked)
        return lambda *_: hook(asked)

    def _impl_func_text(self, model: str, system: bool) -> Format:
        """Takes the question, the function and its return class."""
        return self._hooked(model, "impl_func", system) or (
            lambda prompt, func, cls: function_impl_format(prompt, func, cls, self._language)
        )

    def _tools_text(self, model: str, system: bool) -> Format:
        """Takes the question, the tools and the chosen one."""
        return self._hooked(model, "function_calling", system) or (
            lambda prompt, tools, choice: function_calling_format(
                prompt, tools, choice, self._language
            )
        )


def _check_takes(hook: Format, given: tuple[str, ...]) -> None:
    """Refuse a function that can't be called so."""
    try:
        signature = inspect.signature(hook)
    except (TypeError, ValueError):
        return  # of a builtin; the call shows it
    also = (len(given) + 1,) if len(given) == 1 else ()
    for count in (len(given), *also):
        try:
            signature.bind(*range(count))
            return
        except TypeError:
            continue
    name = getattr(hook, "__name__", repr(hook))
    told = f"{', '.join(given[:-1])} and {given[-1]}" if len(given) > 1 else given[0]
    maybe = ", or the answer and the class" if also else ""
    raise InvalidRequestError(
        f"The format function {name}{signature} can't be called as it is here: it is given "
        f"{told}{maybe}."
    )


def _checked(hook: Format) -> Format:
    """A format whose result is known to be a text."""

    @functools.wraps(hook)
    def write(*args: Any) -> str:
        text = hook(*args)
        if not isinstance(text, str):
            raise InvalidRequestError(
                f"The format function {getattr(hook, '__name__', hook)} returned {text!r}; it must "
                "return the text that the model gets."
            )
        return text

    return write
