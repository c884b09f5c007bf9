"""One question and its answer as they go through a client: callbacks, and an end from outside."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import msgspec

from byzer_lab.client.events import Callbacks
from byzer_lab.client.pieces import Pieces
from byzer_lab.client.types import SingleOutputMeta, StreamItem, asked_with
from byzer_lab.types import Chunk, GenerateRequest, Usage


class Running:
    """The answers that a client is waiting for, by request id. Threads may share one."""

    def __init__(self) -> None:
        self._ends: dict[str, threading.Event] = {}

    @contextlib.contextmanager
    def kept(self, request_id: str) -> Iterator[threading.Event]:
        """An answer that comes; the event is set when it is to end."""
        end = self._ends[request_id] = threading.Event()
        try:
            yield end
        finally:
            if self._ends.get(request_id) is end:
                del self._ends[request_id]

    def end(self, request_id: str) -> bool:
        """End an answer; whether there was one of that id."""
        end = self._ends.get(request_id)
        if end is not None:
            end.set()
        return end is not None


class Exchange:
    """One question to one model.

    Args:
        llm: The client, for callbacks.
        callbacks: Of the client.
        model: Who is asked.
        request: The question.
        delta_mode: See :class:`Pieces`.

    Attributes:
        request: The question, as callbacks leave it.
        pieces: Of the answer.
        given: The only item, where a callback answers in the model's place.
    """

    def __init__(
        self,
        llm: Any,
        callbacks: Callbacks,
        model: str,
        request: GenerateRequest,
        delta_mode: bool = False,
    ) -> None:
        self._llm = llm
        self._callbacks = callbacks
        self._model = model
        self.request, instead = callbacks.before(llm, model, request)
        self.pieces = Pieces(model, request.request_id, delta_mode)
        self.given = None if instead is None else self._replaced(instead, SingleOutputMeta())

    def take(self, chunk: Chunk, ended: bool) -> StreamItem:
        """The item of a chunk.

        Args:
            chunk: Of the answer.
            ended: The answer is to end here.
        """
        if ended and not chunk.finish_reason:
            usage = Usage(output_tokens=self.pieces.tokens + chunk.tokens)
            chunk = msgspec.structs.replace(chunk, finish_reason="cancelled", usage=usage)
        item = self.pieces.next(chunk)
        meta = item[1]
        if not meta.finish_reason:
            return item
        result = {
            "predict": self.pieces.text,
            "metadata": meta.metadata,
            "input": asked_with(self.request),
        }
        instead = self._callbacks.after(self._llm, self._model, result)
        return item if instead is None else self._replaced(instead, meta)

    def _replaced(self, result: dict[str, Any], meta: SingleOutputMeta) -> StreamItem:
        meta.finish_reason = meta.finish_reason or "stop"
        known = {"model": self._model, "request_id": self.request.request_id}
        meta.metadata = {**known, **meta.metadata, **result["metadata"]}
        return StreamItem(result["predict"], meta)
