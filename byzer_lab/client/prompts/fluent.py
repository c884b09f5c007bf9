"""Settings of prompt functions that are about the conversation around the prompt. Each makes
another function."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from byzer_lab.client.prompts.turns import Turns
from byzer_lab.client.types import MetaHolder
from byzer_lab.errors import InvalidRequestError

MARKERS = ("<RESPONSE>", "</RESPONSE>")


class Fluent:
    """The settings; :class:`byzer_lab.client.prompts.function.PromptFunction` has them."""

    turns: Turns

    def with_conversation(self, conversation: Sequence[Mapping[str, Any]]) -> Self:
        """One whose prompt goes on with a conversation, which is not changed."""
        if isinstance(conversation, str) or not isinstance(conversation, Sequence):
            raise InvalidRequestError(
                f"The conversation is {conversation!r}; it must be a list of messages."
            )
        return self._with(conversation=tuple(conversation))

    def with_return_prefix(self, prefix: str) -> Self:
        """One whose answer begins with a text, from which the model goes on. It needs a model
        whose prompt is written here: by its chat template or by a template that was set."""
        return self._with(prefix=_text("prefix", prefix))

    def with_stop_suffix_list(self, stops: Sequence[str]) -> Self:
        """One whose answer ends before any of these texts, beside those of ``llm_config``."""
        listed = [stops] if isinstance(stops, str) else list(stops)
        return self._with(stops=tuple(_text("stop", one) for one in listed))

    def with_response_markers(
        self, markers: Sequence[str] = MARKERS, template: str | None = None
    ) -> Self:
        """One whose answer stands between two texts: where the second has not come, the model is
        asked to go on.

        Args:
            markers: The two texts.
            template: What follows the prompt to tell the model of them, with ``{start}`` and
                ``{end}``; default: our own words.
        """
        pair = tuple(markers)
        if len(pair) != 2 or not all(isinstance(one, str) and one for one in pair):
            raise InvalidRequestError(
                f"The response markers are {markers!r}; they must be two texts, such as "
                f"{list(MARKERS)}."
            )
        return self._with(markers=pair, marker_words=template)

    def with_auto_remove_response_markers(self, remove: bool = True) -> Self:
        """One whose result is what stands between the markers (default), or all of the text."""
        return self._with(keep_markers=not remove)

    def with_max_turns(self, turns: int) -> Self:
        """One that is asked at most so often for one answer with markers (default 10)."""
        if not isinstance(turns, int) or isinstance(turns, bool) or turns < 1:
            raise InvalidRequestError(
                f"max_turns is {turns!r}; it must be a whole number of at least 1."
            )
        return self._with(most_turns=turns)

    def with_continue_prompt(self, prompt: str) -> Self:
        """One that asks the model to go on with these words."""
        return self._with(continue_words=_text("continue prompt", prompt))

    def with_extractor(self, extractor: Callable[[str], Any]) -> Self:
        """One whose result a function makes of the model's text."""
        if not callable(extractor):
            raise InvalidRequestError(f"The extractor is {extractor!r}; it must be a function.")
        return self._with(extractor=extractor)

    def with_meta(self, holder: MetaHolder) -> Self:
        """One that tells a holder what is known of its last answer. Threads that share the function
        need a holder each."""
        if not isinstance(holder, MetaHolder):
            raise InvalidRequestError(f"with_meta takes a MetaHolder, not {holder!r}.")
        return self._with(meta=holder)

    def with_origin_response(self) -> Self:
        """One that returns the model's response and not its text or value."""
        return self._with(returns_response=True)

    def reset(self) -> Self:
        """One without these settings; model, options and return type stay."""
        return dataclasses.replace(self, turns=Turns())  # type: ignore[type-var]

    def _with(self, **changes: Any) -> Self:
        turns = dataclasses.replace(self.turns, **changes)
        return dataclasses.replace(self, turns=turns)  # type: ignore[type-var]


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidRequestError(f"The {what} is {value!r}; it must be a text.")
    return value
