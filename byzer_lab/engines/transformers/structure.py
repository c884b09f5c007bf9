"""Constrains the requests of a model whose tokenizer is of the transformers library."""

from __future__ import annotations

from typing import Any

from byzer_lab.engines.structured.structure import Structure
from byzer_lab.engines.structured.vocabulary import of_tokenizer
from byzer_lab.engines.transformers.loading import LoadedModel
from byzer_lab.engines.transformers.prompt import template_source


def structure_of(loaded: LoadedModel) -> Structure:
    """What holds a model's answers to schemas and calls."""
    ends = end_tokens(loaded)
    tokenizer = of_tokenizer(loaded.tokenizer, loaded.vocabulary, ends)
    return Structure(tokenizer, template_source(loaded.tokenizer), loaded.decode, ends)


def end_tokens(loaded: Any) -> frozenset[int]:
    """The tokens that end a held answer: the model's own, and its tokenizer's."""
    own = loaded.tokenizer.eos_token_id
    return frozenset(loaded.end_of_text) | (frozenset() if own is None else {own})
