"""The items of a response, and the events that tell how they grow."""

from __future__ import annotations

from typing import Any

from byzer_lab.gateway.openai.writing import logprobs
from byzer_lab.types import Chunk, TokenLogprob, ToolCallDelta

Event = dict[str, Any]


class Items:
    """Puts an answer together, one item open at a time.

    Args:
        id: Of the response; the items' ids are made of it.
        wanted: How many likeliest tokens are told with each token; ``None``: no probabilities.

    Attributes:
        output: The items so far.
    """

    def __init__(self, id: str, wanted: int | None) -> None:
        self._id = id
        self._wanted = wanted
        self._open: tuple[str, int] | None = None
        self.output: list[dict[str, Any]] = []

    def feed(self, chunk: Chunk) -> list[Event]:
        """Take a chunk; its events."""
        events: list[Event] = []
        if chunk.reasoning:
            events += self._reasoning(chunk.reasoning)
        if chunk.text or chunk.logprobs:
            events += self._text(chunk.text, chunk.logprobs)
        for piece in chunk.tool_calls:
            events += self._call(piece)
        return events

    def end(self) -> list[Event]:
        """Close the open item; its events."""
        if self._open is None:
            return []
        (kind, _), item = self._open, self.output[-1]
        self._open = None
        item["status"] = "completed"
        events: list[Event] = []
        if kind == "message":
            part = item["content"][0]
            text = {"text": part["text"], "logprobs": part["logprobs"]}
            events.append(self._event("response.output_text.done", content_index=0, **text))
            events.append(self._event("response.content_part.done", content_index=0, part=part))
        elif kind == "reasoning":
            text = {"text": item["content"][0]["text"]}
            events.append(self._event("response.reasoning_text.done", content_index=0, **text))
        else:
            done = {"arguments": item["arguments"], "name": item["name"]}
            events.append(self._event("response.function_call_arguments.done", **done))
        number = len(self.output) - 1
        end = {"type": "response.output_item.done", "output_index": number, "item": dict(item)}
        return [*events, end]

    def _reasoning(self, text: str) -> list[Event]:
        content = {"type": "reasoning_text", "text": ""}
        events = self._begin(
            ("reasoning", 0), id="rs", type="reasoning", summary=[], content=[content]
        )
        self.output[-1]["content"][0]["text"] += text
        delta = self._event("response.reasoning_text.delta", content_index=0, delta=text)
        return [*events, delta]

    def _text(self, text: str, tokens: list[TokenLogprob]) -> list[Event]:
        begun = self._open == ("message", 0)
        events = self._begin(("message", 0), id="msg", type="message", role="assistant", content=[])
        if not begun:
            part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
            self.output[-1]["content"].append(part)
            added = {**part, "logprobs": []}
            events.append(self._event("response.content_part.added", content_index=0, part=added))
        told = (logprobs(tokens, self._wanted) or {"content": []})["content"]
        part = self.output[-1]["content"][0]
        part["text"] += text
        part["logprobs"] += told
        more = {"delta": text, "logprobs": told}
        return [*events, self._event("response.output_text.delta", content_index=0, **more)]

    def _call(self, piece: ToolCallDelta) -> list[Event]:
        events = self._begin(
            ("call", piece.index),
            id="fc",
            type="function_call",
            call_id=piece.id,
            name=piece.name,
            arguments="",
        )
        if not piece.arguments:
            return events
        self.output[-1]["arguments"] += piece.arguments
        delta = {"delta": piece.arguments}
        return [*events, self._event("response.function_call_arguments.delta", **delta)]

    def _begin(self, which: tuple[str, int], **item: Any) -> list[Event]:
        if self._open == which:
            return []
        events = self.end()
        self._open = which
        number = len(self.output)
        item["id"] = f"{item['id']}_{self._id}_{number}"
        self.output.append({**item, "status": "in_progress"})
        shown = {**item, "status": "in_progress"}
        if "content" in item:
            shown["content"] = []  # the item's own grows
        added = {"type": "response.output_item.added", "output_index": number, "item": shown}
        return [*events, added]

    def _event(self, kind: str, **more: Any) -> Event:
        where = {"item_id": self.output[-1]["id"], "output_index": len(self.output) - 1}
        return {"type": kind, **where, **more}
