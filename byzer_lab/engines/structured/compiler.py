"""Grammars compiled once, off the event loop."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any

from llguidance import LLMatcher

from byzer_lab.engines.structured.constraint import Constraint, words_of
from byzer_lab.engines.structured.digits import Digits

_KEPT = 64


class Compiler:
    """Starts constraints. Callable from any thread.

    Args:
        tokenizer: The model's, an ``LLTokenizer``.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._digits = Digits(tokenizer)
        self._kept: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def start(self, constraint: Constraint) -> Constraint:
        """Begin an answer. Blocks while a new grammar is compiled.

        Raises:
            ValueError: The library refuses the grammar; it says why.
        """
        with self._lock:
            first = self._kept.get(constraint.grammar)
            if first is not None:
                self._kept.move_to_end(constraint.grammar)
                return constraint.start(first.deep_copy(), self._digits)
        first = self._compile(constraint.grammar)
        with self._lock:
            self._kept[constraint.grammar] = first
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return constraint.start(first.deep_copy(), self._digits)

    def why_not(self, grammar: str) -> str:
        """What the library has against a grammar; empty when nothing."""
        try:
            self._compile(grammar)
        except ValueError as error:
            return str(error)
        return ""

    def _compile(self, grammar: str) -> Any:
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        matcher.compute_bitmask()  # finds what no answer can fit
        if matcher.is_error():
            raise ValueError(words_of(matcher))
        return matcher
