"""``@byzer_lab.prompt(...)`` and ``@llm.prompt(...)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from byzer_lab.client.functions.signature import callers_names
from byzer_lab.client.prompts.function import PromptFunction, checked_options
from byzer_lab.client.prompts.rendering import RENDERS, Render
from byzer_lab.client.prompts.turns import Turns
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
    return decorator(llm, render, check_result, options)


def prompt_lazy(
    llm: ByzerLLM | Callable[[Any], Any] | str | None = None,
    render: Render = "jinja2",
    check_result: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Decorator:
    """:func:`prompt`, but a call only keeps its arguments: ``.run()`` asks with them, and
    ``.prompt()`` renders."""
    return decorator(llm, render, check_result, options, lazy=True)


def decorator(
    llm: ByzerLLM | Callable[[Any], Any] | str | None,
    render: Render,
    check_result: bool,
    options: Mapping[str, Any] | None,
    lazy: bool = False,
    turns: Turns = Turns(),  # noqa: B008
) -> Decorator:
    """What decorates; arguments as of :func:`prompt` and :class:`PromptFunction`."""
    if render not in RENDERS:
        raise InvalidRequestError(f"render is {render!r}; it must be {' or '.join(RENDERS)}.")
    if llm is not None and not isinstance(llm, str) and not callable(llm):
        from byzer_lab.client.byzer_llm import ByzerLLM

        if not isinstance(llm, ByzerLLM):
            raise InvalidRequestError(
                f"The model of a prompt is {llm!r}; it must be a ByzerLLM, the name of a "
                "deployment, or a function of the object that it belongs to."
            )
    settings = checked_options(options or {})

    def decorate(function: Callable[..., Any] | None = None, *args: Any, **more: Any) -> Any:
        if not callable(function) or args or more:  # "@byzer_lab.prompt": a function is its llm
            raise InvalidRequestError(
                "prompt decorates functions, and stands with parentheses: @byzer_lab.prompt()."
            )
        said = getattr(function, "__annotations__", {}).get("return")
        names = callers_names(1) if isinstance(said, str) else {}
        return PromptFunction(
            function, llm, render, check_result, settings, lazy=lazy, names=names, turns=turns
        )

    return decorate
