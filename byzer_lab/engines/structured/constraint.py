"""Where one answer stands in its grammar."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from byzer_lab.engines.structured.digits import MOST_DIGITS, Digits
from byzer_lab.errors import EngineError


@dataclass
class Constraint:
    """Holds one answer to its grammar. Whoever chooses the tokens tells it of each.

    Only the grammar travels to another process, where it is started anew.

    Attributes:
        grammar: In the library's form.
        whole: The whole answer is held, nothing of it is free text.
    """

    grammar: str
    whole: bool = True
    _matcher: Any = field(default=None, repr=False, compare=False)
    _digits: Digits | None = field(default=None, repr=False, compare=False)
    _run: int = field(default=0, repr=False, compare=False)  # digits since anything else

    def start(self, matcher: Any, digits: Digits) -> Constraint:
        """Begin.

        Args:
            matcher: Of the grammar, fresh and the answer's own.
            digits: Of the vocabulary.
        """
        self._matcher = matcher
        self._digits = digits
        return self

    def unstarted(self) -> Constraint:
        """The same for another process."""
        return Constraint(self.grammar, self.whole)

    @property
    def matcher(self) -> Any:
        """The library's ``LLMatcher``."""
        return self._matcher

    def take(self, token: int) -> None:
        """Go on by a token that was chosen."""
        self._matcher.consume_token(token)
        assert self._digits is not None
        count = self._digits.counts[token]
        self._run = self._run + count if count else 0

    def end_number(self, mask: Any) -> None:
        """Let a number end that has more digits than any means.

        Args:
            mask: Allowed tokens, a bit each; changed in place.
        """
        if self._run >= MOST_DIGITS and self._digits is not None:
            self._digits.end(mask)

    def check(self) -> None:
        """Make sure that the answer, which has ended, is all that the grammar wants.

        Raises:
            EngineError: The library gave up in the middle, because the answer took it to one of
                its limits.
        """
        matcher = self._matcher
        if matcher.is_error():
            raise EngineError(
                f"The answer can't be held to its schema any longer: {words_of(matcher)}."
            )
        if not (matcher.is_accepting() or matcher.is_stopped()):
            raise EngineError("The answer ended before it was complete by its schema.")


async def followed(
    steps: AsyncGenerator[list[int]], constraint: Constraint | None
) -> AsyncGenerator[list[int]]:
    """The same tokens, told to a constraint: for tokens that another process chooses."""
    async with aclosing(steps):
        async for tokens in steps:
            if constraint is not None:
                for token in tokens:
                    constraint.take(token)
            yield tokens


def words_of(matcher: Any) -> str:
    """What the library says is wrong, without the places of its own grammar."""
    words = str(matcher.get_error()).split("\n<state>")[0]
    words = re.split(r"\n\s*\d+ \|", words)[0]
    words = re.sub(r"^(at \d+\(\d+\): )?(failed to compile JSON schema: )?", "", words)
    if words.startswith("oneOf"):
        return "'oneOf' holds where its parts exclude each other alone; write 'anyOf'"
    if words.startswith("NoExtension"):
        return "no answer can fit it"
    return " ".join(words.split())[:300].rstrip(".")
