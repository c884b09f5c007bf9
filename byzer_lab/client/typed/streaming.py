"""An object while it grows."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

from byzer_lab.client.typed.asking import CUT, TypedQuestion
from byzer_lab.client.typed.kinds import UnfitError
from byzer_lab.client.typed.parsing import WRAPPED, read_answer, without_thoughts
from byzer_lab.client.types import StreamItem

NOTHING = object()


class Growing:
    """Makes stream items of objects from stream items of cumulative text.

    Args:
        question: What was asked.
    """

    def __init__(self, question: TypedQuestion) -> None:
        self._question = question
        self._shown: Any = NOTHING

    def take(self, item: StreamItem) -> Iterator[StreamItem]:
        """The items that follow from one of text: none where nothing new can be read in it."""
        text, meta = item
        if meta.finish_reason:
            cut = meta.finish_reason == "length"
            value = None
            meta.metadata |= {"reason": "", "resason": ""}
            try:
                value = read_answer(text, self._question.kind, whole=not cut)
            except UnfitError as error:
                reason = f"No {self._question.kind.name} in the answer: {CUT if cut else error}."
                meta.metadata |= {"reason": reason, "resason": reason}
            yield StreamItem(value, meta)
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
