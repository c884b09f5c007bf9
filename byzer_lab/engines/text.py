"""From tokens to text that a reader may see: incremental detokenising and stop strings.

Every local backend shares this module; it knows neither models nor tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from byzer_lab.types import ToolCallDelta

REPLACEMENT = "\ufffd"
# A UTF-8 character has at most four bytes, so an unfinished one is at most three tokens long.
LONGEST_UNFINISHED = 3


class IncrementalDecoder:
    """Turns tokens into text as they arrive, never half a character.

    Decoding each token alone would lose leading spaces and split characters over several tokens.
    So a window of recent tokens is decoded again at each step, and what the window gained is the
    new text. Text that ends in the middle of a character is held until the character is complete.

    Args:
        decode: Text of a list of tokens, special tokens left out. Bytes that are no character must
            become U+FFFD, as every tokenizer library does.
    """

    def __init__(self, decode: Callable[[list[int]], str]) -> None:
        self._decode = decode
        # Tokens already shown, which give the new ones their context; then those not yet settled.
        self._window: list[int] = []
        self._settled = 0
        self._shown = ""

    def feed(self, tokens: Sequence[int]) -> str:
        """Text that became certain with these tokens; may be empty."""
        self._window.extend(tokens)
        text = self._decode(self._window)
        whole = text.rstrip(REPLACEMENT)
        if len(whole) == len(text):
            return self._settle(text)
        unfinished = len(text) - len(whole)
        if len(self._window) - self._settled > LONGEST_UNFINISHED:
            # More than one character's worth of bytes can't be waiting: the older ones are garbage.
            unfinished = min(unfinished, LONGEST_UNFINISHED)
        certain = text[: len(text) - unfinished]
        new = certain[len(self._shown) :]
        if new:
            self._shown = certain
        return new

    def flush(self) -> str:
        """What was held because it may be half a character; call when no token will follow."""
        held = self._decode(self._window)[len(self._shown) :]
        self._window.clear()
        return held

    def _settle(self, text: str) -> str:
        new = text[len(self._shown) :]
        del self._window[: self._settled]
        self._settled = len(self._window)
        self._shown = self._decode(self._window)
        return new


class StopStrings:
    """Cuts a text where the first of several stop strings is complete.

    The result does not depend on how the text is cut into pieces: the stop string that is complete
    first ends it (of two that end together, the longer), and no part of that string is emitted.

    Args:
        stops: Texts that end the answer, none of them empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found: str | None = None

    def feed(self, text: str) -> str:
        """Text that is certainly no part of a stop string. Sets :attr:`found` at the first one."""
        if not self._stops:
            return text
        text = self._held + text
        first = min(
            (
                (start + len(stop), start, stop)
                for stop in self._stops
                if (start := text.find(stop)) >= 0
            ),
            default=None,
        )
        if first is not None:
            _, start, self.found = first
            self._held = ""
            return text[:start]
        keep = max(overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What was held back in case a stop string had begun; call when the text is over."""
        held, self._held = self._held, ""
        return held


def overlap(text: str, stop: str) -> int:
    """Length of the longest end of ``text`` that begins ``stop`` without being all of it."""
    for length in range(min(len(stop) - 1, len(text)), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0


class AnswerText:
    """The text of one answer: tokens go in, text to show comes out.

    Args:
        decode: See :class:`IncrementalDecoder`.
        stops: See :class:`StopStrings`.
    """

    def __init__(self, decode: Callable[[list[int]], str], stops: Sequence[str]) -> None:
        self._decoder = IncrementalDecoder(decode)
        self._stops = StopStrings(stops)

    @property
    def stopped(self) -> bool:
        """Whether a stop string has ended the answer."""
        return self._stops.found is not None

    @property
    def stop(self) -> str:
        """The stop string that has ended the answer; empty: none."""
        return self._stops.found or ""

    @property
    def called(self) -> bool:
        """Whether a tool was called: never, in an answer that is text alone."""
        return False

    def take_calls(self) -> list[ToolCallDelta]:
        """Pieces of calls: none."""
        return []

    def feed(self, tokens: Sequence[int]) -> str:
        """Text to show after these tokens; may be empty. Feed nothing once :attr:`stopped`."""
        return self._stops.feed(self._decoder.feed(tokens))

    def flush(self, *, cut_short: bool) -> str:
        """The rest, when no token will follow and no stop string was found.

        Args:
            cut_short: The answer was ended from outside, perhaps in the middle of a character,
                which is then left out. A model that ended by itself meant what it wrote.
        """
        rest = "" if cut_short else self._stops.feed(self._decoder.flush())
        return rest if self.stopped else rest + self._stops.flush()
