"""``llm.prompt``: prompt functions of one client."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from byzer_lab.client.prompts.decorators import Decorator, prompt
from byzer_lab.client.prompts.rendering import Render
from byzer_lab.client.settings import Settings

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
        settings = {**(options or {}), **({"model": model} if model else {})}
        return prompt(cast("ByzerLLM", self), render, check_result, settings)
