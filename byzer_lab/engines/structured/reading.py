"""The text of calls as pieces of calls."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from byzer_lab.engines.structured.calls import CallFormat
from byzer_lab.engines.structured.tagged import CLOSED
from byzer_lab.engines.text import IncrementalDecoder, StopStrings, overlap
from byzer_lab.tagged_calls import value_of
from byzer_lab.types import ToolCallDelta

_OPENING, _CLOSING = "<parameter=", "</function>"


class CallReader:
    """Tells calls from the text beside them, whatever pieces they come in.

    Args:
        calls: How the model writes them.
        anywhere: They may follow text; else an answer is either text or calls.
        schemas: Of the arguments, by tool, where these stand as tags.
    """

    def __init__(
        self,
        calls: CallFormat,
        *,
        anywhere: bool,
        schemas: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self._calls = calls
        self._schemas = schemas or {}
        self._schema: Mapping[str, Any] = {}  # of the present call
        self._given = 0  # parameters of the present call
        self._anywhere = anywhere
        self._state: Callable[[], bool] = self._in_text
        self._held = ""
        self._text = ""
        self._pieces: list[ToolCallDelta] = []
        self._arguments = _ObjectEnd()
        self.count = 0

    def feed(self, text: str) -> tuple[str, list[ToolCallDelta]]:
        """New text beside calls, and new pieces of calls."""
        self._held += text
        while self._state():
            pass
        found = self._text, self._pieces
        self._text, self._pieces = "", []
        return found

    def flush(self) -> str:
        """Text that was held in case a call had begun; call when no text will follow."""
        held, self._held = self._held, ""
        return held if self._state in (self._in_text, self._in_plain_text) else ""

    # Each state takes what it can from what is held, and says whether the next one can go on.

    def _in_text(self) -> bool:
        trigger = self._calls.trigger or self._calls.start
        if self._anywhere:
            place = self._held.find(trigger)
        else:
            place = 0 if self._held.startswith(trigger) else -1
            if place < 0 and not trigger.startswith(self._held):
                self._state = self._in_plain_text
                return True
        if place >= 0:
            self._text += self._held[:place].rstrip()
            self._held = self._held[place:]
            self._state = self._before_first
            return True
        if self._anywhere:
            # Space before a call is no part of the text.
            sure = self._held[: len(self._held) - overlap(self._held, trigger)].rstrip()
            self._text += sure
            self._held = self._held[len(sure) :]
        return False

    def _in_plain_text(self) -> bool:
        self._text += self._held
        self._held = ""
        return False

    def _before_first(self) -> bool:
        return self._skip(self._calls.start)

    def _between(self) -> bool:
        calls = self._calls
        return self._skip(calls.after_arguments + calls.between + calls.before_name)

    def _skip(self, text: str) -> bool:
        if not self._held.startswith(text):
            return False
        self._held = self._held[len(text) :]
        self._state = self._in_name
        return True

    def _in_name(self) -> bool:
        name, found, rest = self._held.partition(self._calls.after_name)
        if not found:
            return False
        call = uuid.uuid4().hex[:9] if self._calls.short_ids else f"call_{uuid.uuid4().hex}"
        self._pieces.append(ToolCallDelta(index=self.count, id=call, name=name))
        self.count += 1
        self._held = rest
        self._arguments = _ObjectEnd()
        self._schema, self._given = self._schemas.get(name, {}), 0
        self._state = self._in_tags if self._calls.tagged else self._in_arguments
        return True

    def _in_tags(self) -> bool:
        if self._held.startswith(_CLOSING):
            self._piece("}" if self._given else "{}")
            self._state = self._between
            return True
        end = self._held.find(CLOSED) if self._held.startswith(_OPENING) else -1
        if end < 0:
            return False
        key, _, text = self._held[len(_OPENING) : end].partition(">\n")
        self._held = self._held[end + len(CLOSED) :]
        value = value_of(text, self._schema.get("properties", {}).get(key, {}), self._schema)
        written = f"{json.dumps(key, ensure_ascii=False)}: {json.dumps(value, ensure_ascii=False)}"
        self._piece((", " if self._given else "{") + written)
        self._given += 1
        return True

    def _piece(self, arguments: str) -> None:
        self._pieces.append(ToolCallDelta(index=self.count - 1, arguments=arguments))

    def _in_arguments(self) -> bool:
        end = self._arguments.find(self._held)
        piece = self._held if end is None else self._held[:end]
        if piece:
            self._piece(piece)
        self._held = self._held[len(piece) :]
        if end is None:
            return False
        self._state = self._between
        return True


class _ObjectEnd:
    """Finds where a JSON object ends that comes in pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def find(self, text: str) -> int | None:
        """The place after the object's end in this piece; ``None`` when it goes on."""
        for place, letter in enumerate(text):
            if self._escaped:
                self._escaped = False
            elif self._in_string:
                self._escaped = letter == "\\"
                self._in_string = letter != '"'
            elif letter == '"':
                self._in_string = True
            elif letter in "{[":
                self._depth += 1
            elif letter in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return place + 1
        return None


class CallingAnswer:
    """An answer with tools: tokens go in, text and pieces of calls come out.

    As :class:`byzer_lab.engines.text.AnswerText`; stop texts end what is said beside calls.

    Args:
        decode: See :class:`byzer_lab.engines.text.IncrementalDecoder`; marks of calls are shown.
        reader: Tells calls from text.
        stops: Texts that end the answer.
    """

    def __init__(
        self, decode: Callable[[list[int]], str], reader: CallReader, stops: Sequence[str]
    ) -> None:
        self._decoder = IncrementalDecoder(decode)
        self._reader = reader
        self._stops = StopStrings(stops)
        self._pieces: list[ToolCallDelta] = []

    @property
    def stopped(self) -> bool:
        """Whether a stop text has ended the answer."""
        return self._stops.found is not None

    @property
    def stop(self) -> str:
        """The stop text that has ended the answer; empty: none."""
        return self._stops.found or ""

    @property
    def called(self) -> bool:
        """Whether a tool was called."""
        return self._reader.count > 0

    def feed(self, tokens: Sequence[int]) -> str:
        """Text to show after these tokens; may be empty."""
        text, pieces = self._reader.feed(self._decoder.feed(tokens))
        shown = self._stops.feed(text)
        if not self.stopped:
            self._pieces += pieces
        return shown

    def take_calls(self) -> list[ToolCallDelta]:
        """The pieces of calls since the last time."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def flush(self, *, cut_short: bool) -> str:
        """The rest of the text, when no token will follow and no stop text was found."""
        text = ""
        if not cut_short:
            text, pieces = self._reader.feed(self._decoder.flush())
            self._pieces += pieces
        rest = self._stops.feed(text + self._reader.flush())
        return rest if self.stopped else rest + self._stops.flush()
