"""``llm.prompt``: prompt functions of one client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from byzer_lab.client.prompts.decorators import Decorator, decorator
from byzer_lab.client.prompts.function import PromptFunction, checked_options
from byzer_lab.client.prompts.rendering import Render
from byzer_lab.client.settings import Settings
from byzer_lab.client.types import MetaHolder
from byzer_lab.errors import InvalidRequestError

if TYPE_CHECKING:
    from byzer_lab.client.byzer_llm import ByzerLLM


class PromptCalls(Settings):
    """The decorator; mixed into :class:`byzer_lab.client.byzer_llm.ByzerLLM`."""

    def prompt(
        self,
        model: str | None = None,
        render: Render = "jinja2",
        check_result: bool = False,
        options: Mapping[str, Any] | None = None,
        return_origin_response: bool = False,
        marker: Sequence[str] | None = None,
        assistant_prefix: str | None = None,
        meta_holder: MetaHolder | None = None,
        conversation: Sequence[Mapping[str, Any]] | None = None,
    ) -> Decorator:
        """Make a function whose docstring is a prompt; see
        :func:`byzer_lab.client.prompts.decorators.prompt`.

        Args:
            model: Name of the deployment; default: the default model.
            render, check_result, options: As there.
            return_origin_response: Calls return the response and not its text or value.
            marker, assistant_prefix, meta_holder, conversation: As ``with_response_markers``,
                ``with_return_prefix``, ``with_meta`` and ``with_conversation`` of the function.
        """
        if model is not None and not isinstance(model, str):
            raise InvalidRequestError(
                f"model is {model!r}; it must be the name of a deployment. The decorator stands "
                "with parentheses: @llm.prompt()."
            )
        settings = {**checked_options(options or {}), **({"model": model} if model else {})}
        made: PromptFunction = PromptFunction(_nothing)
        if marker is not None:
            made = made.with_response_markers(marker)
        if assistant_prefix is not None:
            made = made.with_return_prefix(assistant_prefix)
        if meta_holder is not None:
            made = made.with_meta(meta_holder)
        if conversation is not None:
            made = made.with_conversation(conversation)
        if return_origin_response:
            made = made.with_origin_response()
        client = cast("ByzerLLM", self)
        return decorator(client, render, check_result, settings, turns=made.turns)


def _nothing() -> None:
    """Holds settings until the function is known."""
