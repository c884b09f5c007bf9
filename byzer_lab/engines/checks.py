"""Checks of what a caller asks for, the same on every local backend."""

from __future__ import annotations

import math
from collections.abc import Callable

from byzer_lab.errors import ContextLengthError, InvalidRequestError
from byzer_lab.types import Sampling

_BOUNDS: dict[str, tuple[Callable[[float], bool], str]] = {
    "max_tokens": (lambda value: value >= 1, "at least 1"),
    "temperature": (lambda value: value >= 0, "0 or more"),
    "top_p": (lambda value: 0 < value <= 1, "more than 0 and at most 1"),
    "top_k": (lambda value: value >= -1, "1 or more, or 0 or -1 to switch it off"),
    "min_p": (lambda value: 0 <= value <= 1, "from 0 to 1"),
    "repetition_penalty": (lambda value: value > 0, "more than 0"),
    "presence_penalty": (lambda value: -2 <= value <= 2, "from -2 to 2"),
    "frequency_penalty": (lambda value: -2 <= value <= 2, "from -2 to 2"),
}


def check_sampling(sampling: Sampling, vocabulary: int) -> None:
    """Refuse sampling values that mean nothing.

    Args:
        sampling: What the caller set.
        vocabulary: Number of tokens the model knows.

    Raises:
        InvalidRequestError: Names the value and its bounds.
    """
    for name, (within, bounds) in _BOUNDS.items():
        value = getattr(sampling, name)
        if value is not None and not (math.isfinite(value) and within(value)):
            raise InvalidRequestError(f"{name} is {value}; it must be {bounds}.")
    if "" in sampling.stop:
        raise InvalidRequestError("stop holds an empty text; each stop text needs a character.")
    for token in sampling.stop_token_ids:
        if not 0 <= token < vocabulary:
            raise InvalidRequestError(
                f"stop_token_ids holds {token}; this model's tokens are 0 to {vocabulary - 1}."
            )


def fit_answer(input_tokens: int, max_tokens: int | None, window: int) -> int:
    """How many tokens the answer may have.

    Args:
        input_tokens: Tokens of the prompt.
        max_tokens: What the caller asked for; ``None`` takes what is left of the window.
        window: Tokens that prompt and answer may have together.

    Raises:
        ContextLengthError: They don't fit; both numbers are in the sentence.
    """
    left = window - input_tokens
    if left < 1:
        raise ContextLengthError(
            f"The prompt has {input_tokens} tokens, but the model's context window is {window} "
            "and must hold the answer too.",
            input_tokens=input_tokens,
            context_length=window,
        )
    if max_tokens is not None and max_tokens > left:
        raise ContextLengthError(
            f"The prompt has {input_tokens} tokens and max_tokens is {max_tokens}: together more "
            f"than the model's context window of {window}. Ask for at most {left}.",
            input_tokens=input_tokens,
            max_tokens=max_tokens,
            context_length=window,
        )
    return left if max_tokens is None else max_tokens


def fit_prompt(input_tokens: int, window: int) -> None:
    """Check a prompt that has a window for itself, as in a model with an encoder.

    Raises:
        ContextLengthError: It doesn't fit; both numbers are in the sentence.
    """
    if input_tokens > window:
        raise ContextLengthError(
            f"The prompt has {input_tokens} tokens, more than the model's window of {window}.",
            input_tokens=input_tokens,
            context_length=window,
        )
