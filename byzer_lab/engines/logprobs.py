"""Logarithmic probabilities of an answer's tokens, beside the tokens themselves.

Whoever chooses a request's tokens notes their probabilities, on the model's thread; whoever makes
chunks of the tokens reads them by place. Requests that ask for none have no :class:`Notes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from byzer_lab.types import TokenLogprob


@dataclass
class Notes:
    """Probabilities of one answer, in the order of its tokens.

    Attributes:
        alternatives: How many of the likeliest tokens are noted at each place; 0 for none.
    """

    alternatives: int
    _noted: list[tuple[int, float, list[tuple[int, float]]]] = field(default_factory=list)

    def add(self, token: int, logprob: float, top: Iterable[tuple[int, float]]) -> None:
        """Note the next token.

        Args:
            token: What was chosen.
            logprob: Natural logarithm of its probability.
            top: The likeliest tokens with theirs, likeliest first.
        """
        self._noted.append((token, logprob, list(top)))

    def between(self, start: int, end: int, text_of: Callable[[int], str]) -> list[TokenLogprob]:
        """What was noted of the tokens from one place up to another.

        Args:
            start: Place of the first one in the answer, from 0.
            end: Place after the last one.
            text_of: Text of a token.
        """
        return [
            TokenLogprob(
                token,
                text_of(token),
                logprob,
                [TokenLogprob(other, text_of(other), value) for other, value in top],
            )
            for token, logprob, top in self._noted[start:end]
        ]


def notes_for(logprobs: int | None) -> Notes | None:
    """Where to note an answer's probabilities; ``None`` when the request asks for none.

    Args:
        logprobs: As in :class:`byzer_lab.types.Sampling`.
    """
    return None if logprobs is None else Notes(logprobs)
