"""The library's view of a model's tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def of_tokenizer(tokenizer: Any, width: int, end_tokens: Iterable[int]) -> Any:
    """The tokens of a tokenizer of the transformers library.

    Args:
        tokenizer: The model's.
        width: How many logits the model gives.
        end_tokens: Those that end an answer.

    Returns:
        An ``LLTokenizer``; where there can't be one, the reason in words.
    """
    from llguidance.hf import from_tokenizer
    from transformers import PreTrainedTokenizerFast

    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        return "its tokenizer is a slow one, whose tokens can't be read"
    ends = sorted(end_tokens)
    if not ends:
        return "it has no token that ends a text"
    return from_tokenizer(tokenizer, n_vocab=max(width, len(tokenizer)), eos_token=ends)


def of_gguf(vocabulary: Any, end_tokens: Iterable[int]) -> Any:
    """The tokens of a model of llama.cpp; as :func:`of_tokenizer`.

    Args:
        vocabulary: The library's handle.
        end_tokens: Those that end an answer.
    """
    from llguidance.llamacpp import lltokenizer_from_vocab

    ends = sorted(end_tokens)
    if not ends:
        return "it has no token that ends a text"
    return lltokenizer_from_vocab(vocabulary, eos_token=ends)


def own_tokens(tokenizer: Any, marks: Iterable[str]) -> dict[str, int]:
    """Which texts are one token of their own, and which.

    Args:
        tokenizer: An ``LLTokenizer``.
        marks: The texts.
    """
    found = {}
    for mark in marks:
        tokens = tokenizer.tokenize_str(mark, parse_special=True)
        if len(tokens) == 1 and tokenizer.is_special_token(tokens[0]):
            found[mark] = tokens[0]
    return found


def showing(
    decode: Callable[[list[int]], str], marks: Mapping[str, int]
) -> Callable[[list[int]], str]:
    """Text of tokens, with the marks that it would leave out."""
    hidden = {token: mark for mark, token in marks.items() if not decode([token])}
    if not hidden:
        return decode

    def shown(tokens: list[int]) -> str:
        text, run = "", list[int]()
        for token in tokens:
            if token in hidden:
                text += (decode(run) if run else "") + hidden[token]
                run = []
            else:
                run.append(token)
        return text + (decode(run) if run else "")

    return shown
