"""An object while it grows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from byzer_lab.client.typed.asking import TypedAttempts, TypedQuestion
from byzer_lab.client.typed.kinds import UnfitError
from byzer_lab.client.typed.parsing import WRAPPED, without_thoughts
from byzer_lab.client.types import StreamItem

NOTHING = object()


class Growing:
    """Makes stream items of objects from stream items of cumulative text, of one answer.

    Args:
        question: What was asked.
        attempts: Told of the whole answer.
    """

    def __init__(self, question: TypedQuestion, attempts: TypedAttempts) -> None:
        self._question = question
        self._attempts = attempts
        self._shown: Any = NOTHING

    def take(self, item: StreamItem) -> Iterator[StreamItem]:
        """The items that follow from one of text: none where nothing new can be read in it, or
        where the answer has ended and is asked for again."""
        text, meta = item
        if meta.finish_reason:
            self._attempts.read(text, meta.finish_reason)
            meta.metadata |= self._attempts.facts | {"output": text}
            if self._attempts.over:
                yield StreamItem(self._attempts.value, meta)
            return
        data = _readable(text)
        if self._question.wrapped:
            data = data.get(WRAPPED, NOTHING) if isinstance(data, dict) else NOTHING
        if data is NOTHING or data == self._shown:
            return
        self._shown = data
        with contextlib.suppress(UnfitError):
            yield StreamItem(self._question.kind.partial(data), meta)


def _readable(text: str) -> Any:
    from pydantic_core import from_json

    text = without_thoughts(text)
    start = re.search(r"[{\[]", text)
    if start is None:
        return NOTHING
    try:
        return from_json(text[start.start() :], allow_partial="trailing-strings")
    except ValueError:  # prose, or what follows the JSON
        return NOTHING
