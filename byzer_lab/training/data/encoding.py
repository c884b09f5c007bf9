"""Examples to tokens and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from byzer_lab.training.data.masking import IGNORED, PLAIN_TEMPLATE, Encoder, Rendered, Renderer
from byzer_lab.training.data.rows import BadRow, Example


@dataclass(frozen=True)
class Encoded:
    """Tokens of one example, or of a part of a long text.

    Attributes:
        row: Number of the row.
        input_ids: Its tokens.
        labels: The same where they are trained on, else :data:`IGNORED`.
        lost: Tokens that were cut off.
        last_only: See :class:`byzer_lab.training.data.masking.Rendered`.
    """

    row: int
    input_ids: list[int]
    labels: list[int]
    lost: int = 0
    last_only: bool = False

    @property
    def trained(self) -> int:
        """How many tokens are trained on; nothing comes before the first one."""
        return sum(label != IGNORED for label in self.labels[1:])


@dataclass(frozen=True)
class Shape:
    """How examples are made into tokens.

    Attributes:
        max_length: Most tokens of one.
        keep_end: Of a longer conversation the end is kept instead of the beginning.
        plain_prompts: A prompt and its completion are plain text, not a question in a chat.
    """

    max_length: int
    keep_end: bool = False
    plain_prompts: bool = False


def with_template(tokenizer: Any) -> bool:
    """Give a tokenizer without a chat template the plain one; returns whether it had none."""
    if tokenizer.chat_template:
        return False
    tokenizer.chat_template = PLAIN_TEMPLATE
    return True


def as_chat(example: Example, shape: Shape) -> Example:
    """A question and its answer as a conversation, unless they are plain text."""
    if not example.prompt or shape.plain_prompts:
        return example
    messages = [*(example.messages or ()), {"role": "user", "content": example.prompt}]
    if example.chosen is not None:
        chosen, rejected = _said(example.chosen), _said(example.rejected)
        return Example(example.row, messages, example.tools, chosen=chosen, rejected=rejected)
    return Example(example.row, [*messages, *_said(example.text)], example.tools)


def encode(
    examples: Iterable[Example], tokenizer: Any, shape: Shape, *, batch: int = 256
) -> Iterator[Encoded | tuple[Example, BadRow]]:
    """Tokens and labels of examples, in their order.

    Args:
        examples: Good rows.
        tokenizer: The model's, with a chat template.
        shape: See there.
        batch: How many texts the tokenizer gets at once.

    Yields:
        One for each, more for a long plain text, which is cut into parts without a loss; or the
        example that can't be trained on, and why.
    """
    renderer, encoder = Renderer(tokenizer), Encoder(tokenizer)
    gathered: list[Example] = []
    for example in examples:
        gathered.append(example)
        if len(gathered) == batch:
            yield from _encode(gathered, renderer, encoder, tokenizer, shape)
            gathered = []
    yield from _encode(gathered, renderer, encoder, tokenizer, shape)


def _encode(
    examples: Sequence[Example], renderer: Renderer, encoder: Encoder, tokenizer: Any, shape: Shape
) -> Iterator[Encoded | tuple[Example, BadRow]]:
    rendered: list[Rendered | BadRow] = []
    for example in (as_chat(one, shape) for one in examples):
        try:
            rendered.append(_render(example, renderer, tokenizer))
        except BadRow as bad:
            rendered.append(bad)
    good = [one for one in rendered if isinstance(one, Rendered)]
    tokens = iter(encoder.encode(good))
    for example, one in zip(examples, rendered, strict=True):
        if isinstance(one, BadRow):
            yield example, one
        else:
            yield from _fitted(example, one, *next(tokens), shape)


def _render(example: Example, renderer: Renderer, tokenizer: Any) -> Rendered:
    if example.messages is not None and not example.prompt:
        return renderer.render(example.messages, example.tools)
    begin = tokenizer.bos_token or ""
    told = "".join(f"{one['content']}\n" for one in example.messages or ())
    prompt = told + example.prompt
    text = prompt + example.text + (tokenizer.eos_token or "")
    if text.startswith(begin):
        begin = ""
    where = len(begin) + len(prompt)
    return Rendered(begin + text, [(where, len(begin) + len(text))])


def _fitted(
    example: Example, rendered: Rendered, tokens: list[int], labels: list[int], shape: Shape
) -> Iterator[Encoded | tuple[Example, BadRow]]:
    most = shape.max_length
    plain = example.messages is None and not example.prompt
    if plain and len(tokens) > most:
        # Each part but the first begins with the token before it, so that every token is learned.
        for at in range(0, len(tokens) - 1, most - 1):
            part = slice(at, at + most)
            yield Encoded(example.row, tokens[part], labels[part])
        return
    lost = max(0, len(tokens) - most)
    part = slice(lost, None) if shape.keep_end else slice(None, most)
    found = Encoded(example.row, tokens[part], labels[part], lost, rendered.last_only)
    if found.trained == 0:
        yield (
            example,
            BadRow(
                "",
                "fully_masked",
                f"it has {len(tokens)} tokens, and the answer begins beyond the {most} that "
                "max_seq_length keeps, so nothing of it would be learned.",
                rendered.text,
            ),
        )
        return
    yield found


def _said(text: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text}] if isinstance(text, str) else text
