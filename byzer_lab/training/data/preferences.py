"""Preferred and rejected answers to tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from byzer_lab.training.data.encoding import Encoded, Shape, as_chat
from byzer_lab.training.data.masking import IGNORED, Encoder, Rendered, Renderer
from byzer_lab.training.data.rows import BadRow, Example


@dataclass(frozen=True)
class Pair:
    """Two answers to the same question.

    Attributes:
        prompt_ids: Tokens of the question.
        chosen_ids: Of the better answer.
        rejected_ids: Of the worse one.
        whole: Question and better answer, for the counts.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("prompt_ids", "chosen_ids", "rejected_ids")
    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]
    whole: Encoded


def encode_pairs(
    examples: Iterable[Example], tokenizer: Any, shape: Shape
) -> Iterator[Pair | tuple[Example, BadRow]]:
    """Tokens of preferences, in their order.

    Args:
        examples: Good rows with ``chosen`` and ``rejected``.
        tokenizer: The model's, with a chat template.
        shape: Of longer ones the end of the answer is cut off.

    Yields:
        One for each; or the example that can't be trained on, and why.
    """
    renderer, encoder = Renderer(tokenizer), Encoder(tokenizer)
    for example in examples:
        try:
            yield _pair(as_chat(example, shape), renderer, encoder, tokenizer, shape)
        except BadRow as bad:
            yield example, bad


def _pair(
    example: Example, renderer: Renderer, encoder: Encoder, tokenizer: Any, shape: Shape
) -> Pair:
    better, worse = (
        _render(example, answer, renderer, tokenizer)
        for answer in (example.chosen, example.rejected)
    )
    (better_ids, better_labels), (worse_ids, worse_labels) = encoder.encode([better, worse])
    start = min(_answer(better_labels), _answer(worse_labels))
    if better_ids[:start] != worse_ids[:start]:
        raise BadRow("", "template_refuses", "the question is rendered differently for the two.")
    if start >= shape.max_length:
        raise BadRow(
            "",
            "fully_masked",
            f"the question alone has {start} tokens, as many as max_seq_length "
            f"({shape.max_length}) keeps, so nothing of the answers would be learned.",
        )
    room = shape.max_length
    lost = max(0, len(better_ids) - room) + max(0, len(worse_ids) - room)
    whole = Encoded(example.row, better_ids[:room], better_labels[:room], lost)
    return Pair(better_ids[:start], better_ids[start:room], worse_ids[start:room], whole)


def _render(example: Example, answer: Any, renderer: Renderer, tokenizer: Any) -> Rendered:
    if example.messages is not None and not example.prompt:
        messages = [*example.messages, *answer]
        return renderer.render(messages, example.tools, after=len(example.messages))
    begin = tokenizer.bos_token or ""
    prompt = begin + example.prompt
    text = prompt + answer + (tokenizer.eos_token or "")
    return Rendered(text, [(len(prompt), len(text))])


def _answer(labels: list[int]) -> int:
    """Where the answer begins."""
    return next((at for at, label in enumerate(labels) if label != IGNORED), len(labels))
