"""``llm.prompt``: prompt functions of one client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from byzer_lab.client.prompts.decorators import Decorator, prompt
from byzer_lab.client.prompts.function import checked_options
from byzer_lab.client.prompts.rendering import Render
from byzer_lab.client.settings import Settings
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
    ) -> Decorator:
        """Make a function whose docstring is a prompt; see
        :func:`byzer_lab.client.prompts.decorators.prompt`.

        Args:
            model: Name of the deployment; default: the default model.
            render, check_result, options: As there.
        """
        if model is not None and not isinstance(model, str):
            raise InvalidRequestError(
                f"model is {model!r}; it must be the name of a deployment. The decorator stands "
                "with parentheses: @llm.prompt()."
            )
        settings = {**checked_options(options or {}), **({"model": model} if model else {})}
        return prompt(cast("ByzerLLM", self), render, check_result, settings)
