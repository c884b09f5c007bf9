"""Numbers that never end: a schema has no limit for their digits."""

from __future__ import annotations

from typing import Any

import numpy as np

# More than any number means that a model has begun to repeat itself.
MOST_DIGITS = 32


class Digits:
    """Which tokens of a vocabulary are digits.

    Args:
        tokenizer: An ``LLTokenizer``.
    """

    def __init__(self, tokenizer: Any) -> None:
        size = int(tokenizer.vocab_size)
        texts = [bytes(tokenizer.decode_bytes([token])) for token in range(size)]
        self.counts = [len(text) if text.isdigit() else 0 for text in texts]
        self._begins = _packed([text[:1].isdigit() for text in texts])
        self._letters = _packed([text.isalpha() for text in texts])

    def end(self, mask: Any) -> None:
        """Let no digit follow in a number, where something else may.

        Args:
            mask: Allowed tokens, a bit each; changed in place. Where letters are allowed, the
                digits are part of a text.
        """
        size = min(len(mask), len(self._begins))
        if (mask[:size] & self._letters[:size]).any():
            return
        rest = mask[:size] & ~self._begins[:size]
        if rest.any():
            mask[:size] = rest


def _packed(flags: list[bool]) -> Any:
    return np.packbits(np.array(flags, dtype=np.bool_), bitorder="little")
