"""``@byzer_lab.prompt(...)`` and ``@llm.prompt(...)``."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from byzer_lab.client.prompts.function import PromptFunction
from byzer_lab.client.prompts.rendering import RENDERS, Render
from byzer_lab.errors import InvalidRequestError

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM

Decorator = Callable[[Callable[..., Any]], PromptFunction]


def prompt(
    llm: ByzerLLM | Callable[[Any], Any] | str | None = None,
    render: Render = "jinja2",
    check_result: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Decorator:
    """Make a function whose docstring is a prompt.

    Args:
        llm: Who is asked: a client, the name of a deployment, or a function of the object that a
            method belongs to, such as ``lambda self: self.llm``; ``None``: calls return the prompt.
        render: ``simple`` with ``{name}``, or ``jinja2``.
        check_result: Warn where the answer is not the object that was asked for.
        options: Arguments of ``chat_oai``, such as ``{"llm_config": {"temperature": 0}}``.

    Returns:
        What decorates the function. Its body runs once for each call and may return a dict that
        overrides variables of the prompt.

    Raises:
        InvalidRequestError: An argument is none of these.
    """
    if render not in RENDERS:
        raise InvalidRequestError(f"render is {render!r}; it must be {' or '.join(RENDERS)}.")
    if llm is not None and not isinstance(llm, str) and not callable(llm):
        from byzer_lab.client.byzer_llm import ByzerLLM

        if not isinstance(llm, ByzerLLM):
            raise InvalidRequestError(
                f"The model of a prompt is {llm!r}; it must be a ByzerLLM, the name of a "
                "deployment, or a function of the object that it belongs to."
            )

    def decorate(function: Callable[..., Any]) -> PromptFunction:
        return PromptFunction(function, llm, render, check_result, dict(options or {}))

    return decorate


def prompt_lazy(
    llm: ByzerLLM | Callable[[Any], Any] | str | None = None,
    render: Render = "jinja2",
    check_result: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Decorator:
    """:func:`prompt`, but a call only keeps its arguments: ``.run()`` asks with them, and
    ``.prompt()`` renders."""
    make = prompt(llm, render, check_result, options)

    def decorate(function: Callable[..., Any]) -> PromptFunction:
        return dataclasses.replace(make(function), lazy=True)

    return decorate
