"""Requests for vectors and scores, checked the same way on every local backend."""

from __future__ import annotations

from byzer_lab.engines.sentence_transformers.batching import Options
from byzer_lab.errors import InvalidRequestError
from byzer_lab.vectors import EmbedRequest, RerankRequest

SHORTEST = 4
"""Tokens that a text is cut to at least: its first and last are the model's own."""


def check_texts(request: EmbedRequest) -> None:
    """Refuse a request without texts, or with an empty one.

    Raises:
        InvalidRequestError: Says which one is empty.
    """
    if not request.texts:
        raise InvalidRequestError("There is no text to embed; texts is empty.")
    for place, text in enumerate(request.texts):
        if not text.strip():
            raise InvalidRequestError(
                f"Text {place + 1} of {len(request.texts)} is empty; a vector needs some text."
            )


def options_of(
    request: EmbedRequest | RerankRequest, normalize: bool, window: int, most: int
) -> Options:
    """Settings of a request, checked and filled in.

    Args:
        request: The caller's.
        normalize: Scale vectors to length 1.
        window: Most tokens of a text.
        most: Most texts of one pass.

    Raises:
        InvalidRequestError: A value is out of its bounds.
    """
    length = window if request.max_length is None else request.max_length
    if length < SHORTEST:
        raise InvalidRequestError(f"max_length is {length}; it must be {SHORTEST} or more.")
    size = most if request.batch_size is None else request.batch_size
    if size < 1:
        raise InvalidRequestError(f"batch_size is {size}; it must be 1 or more.")
    return Options(normalize, min(length, window), min(size, most))
