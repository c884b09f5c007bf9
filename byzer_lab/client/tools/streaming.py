"""A streamed answer that may call tools: text that is no call, and pieces of calls."""

from __future__ import annotations

import re
from collections.abc import Iterator

from byzer_lab.client.tools.rounds import ToolQuestion, facts_of
from byzer_lab.client.types import StreamItem
from byzer_lab.types import ToolCall

_BEGINS = re.compile(r"^[ \t]*[\[{]|```|<tool_call>|<function=", re.MULTILINE)
"""What calls in words may begin with; from there on text is held back until it is whole."""
_MAY_BEGIN = re.compile(r"(\n|^)[ \t]*$|`{1,2}$|<[a-z_=]{0,10}$")


class CallingStream:
    """Makes the items of a stream with tools from stream items of new text.

    Args:
        question: What was asked.
        delta_mode: Items hold only new text; else all of it so far.
        execute: Run the calls when the answer has ended.
    """

    def __init__(self, question: ToolQuestion, delta_mode: bool, execute: bool) -> None:
        self._question = question
        self._delta_mode = delta_mode
        self._execute = execute
        self._text = ""
        self._shown = 0
        self.started = False
        """Something has come."""

    def take(self, item: StreamItem) -> Iterator[StreamItem]:
        """The items that follow from one; none where its text is held back."""
        self.started = True
        text, meta = item
        if meta.media_type:
            yield item
            return
        self._text += text
        calls: list[ToolCall] = []
        if meta.finish_reason:
            calls = self._question.calls_of(self._text, meta.metadata, self._question.choice)
            made = [{"id": call.id, "name": call.name, "arguments": call.arguments}
                    for call in calls]  # fmt: skip
            if not meta.tool_calls:  # they stood in the text
                meta.tool_call_pieces = [{"index": at, **one} for at, one in enumerate(made)]
            meta.tool_calls = made
            if made:
                meta.metadata["tool_calls"] = made
            meta.metadata |= {"reason": "", "resason": ""}
            if self._execute:
                self._run(item, calls)
        end = self._settled(ended=bool(meta.finish_reason), called=bool(calls))
        new, self._shown = self._text[self._shown : end], end
        if new or meta.tool_call_pieces or meta.finish_reason:
            yield StreamItem(new if self._delta_mode else self._text[:end], meta)

    def _settled(self, ended: bool, called: bool) -> int:
        """So much of the text is no call."""
        if self._question.native or (ended and not called):
            return len(self._text)
        begins = _BEGINS.search(self._text, self._shown)
        if begins is None and not ended:
            begins = _MAY_BEGIN.search(self._text, self._shown)
        return max(self._shown, begins.start()) if begins else len(self._text)

    def _run(self, item: StreamItem, calls: list[ToolCall]) -> None:
        outcomes = self._question.execute(calls)
        metadata = item[1].metadata
        reasons = [] if calls else self._question.missing(metadata.get("finish_reason"))
        metadata |= facts_of(outcomes, reasons)
        metadata["values"] = [one.value for one in outcomes if not one.error]
