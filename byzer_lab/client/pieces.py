"""From the chunks of an answer to what callers get."""

from __future__ import annotations

import base64
from typing import Any

from byzer_lab.client.types import SingleOutputMeta, StreamItem, metadata_of
from byzer_lab.types import Chunk, TokenLogprob, ToolCall, add_pieces


class Pieces:
    """Puts one answer together.

    Args:
        model: Who answers.
        request_id: Of the request.
        delta_mode: Items hold only what is new; else all of the text so far.
    """

    def __init__(self, model: str, request_id: str, delta_mode: bool) -> None:
        self._model = model
        self._request_id = request_id
        self._delta_mode = delta_mode
        self._text = ""
        self._reasoning = ""
        self._media_type = ""
        self._tokens = 0
        self._logprobs: list[TokenLogprob] = []
        self._data: list[bytes] = []
        self._prompts: list[str] = []
        self._calls: dict[int, ToolCall] = {}

    def next(self, chunk: Chunk) -> StreamItem:
        """Take a chunk; the item that stands for it."""
        self._tokens += chunk.tokens
        self._logprobs += chunk.logprobs
        self._reasoning += chunk.reasoning
        self._media_type = chunk.media_type or self._media_type
        add_pieces(self._calls, chunk.tool_calls)
        meta = SingleOutputMeta(
            generated_tokens_count=self._tokens,
            reasoning=self._reasoning,
            media_type=self._media_type,
            progress=chunk.progress,
            tool_calls=_told(self.calls),
            tool_call_pieces=[
                {"index": one.index, "id": one.id, "name": one.name, "arguments": one.arguments}
                for one in chunk.tool_calls
            ],
        )
        if chunk.usage and chunk.finish_reason:
            meta.finish_reason = chunk.finish_reason
            meta.input_tokens_count = chunk.usage.input_tokens
            meta.generated_tokens_count = chunk.usage.output_tokens
            meta.metadata = metadata_of(
                self._model, self._request_id, chunk.finish_reason, chunk.usage, self._logprobs
            )
            meta.metadata |= self._facts()
        if self._media_type:
            if chunk.data:
                self._data.append(chunk.data)
                self._prompts.append(chunk.prompt)
            return StreamItem(chunk.data, meta)
        self._text += chunk.text
        return StreamItem(chunk.text if self._delta_mode else self._text, meta)

    @property
    def text(self) -> str:
        """All of the text so far."""
        return self._text

    @property
    def tokens(self) -> int:
        """Tokens so far."""
        return self._tokens

    @property
    def calls(self) -> list[ToolCall]:
        """The tools that the answer has called so far, arguments as far as they came."""
        return [self._calls[place] for place in sorted(self._calls)]

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {}
        if self._reasoning:
            facts["reasoning"] = self._reasoning
        if self._media_type:
            facts["media_type"] = self._media_type
        if self._calls:
            facts["tool_calls"] = _told(self.calls)
        return facts

    @property
    def files(self) -> list[str]:
        """The sound, or each picture, as base64."""
        whole = self._data if self._media_type.startswith("image/") else [b"".join(self._data)]
        return [base64.b64encode(data).decode() for data in whole if data]

    @property
    def drawn(self) -> list[dict[str, str]]:
        """The pictures of an engine that tells what they were drawn from, as Byzer-LLM gives
        them; empty of other answers."""
        if not any(self._prompts):
            return []
        pairs = zip(self._prompts, self.files, strict=True)
        return [{"prompt": prompt, "img64": picture} for prompt, picture in pairs]


def _told(calls: list[ToolCall]) -> list[dict[str, Any]]:
    return [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in calls]
