"""Which characters of a rendered conversation are the assistant's, for any chat template.

The conversation is rendered up to each of the assistant's turns, with the beginning of an answer,
and up to its end: what is between the two was said by the assistant. All that is asked of a
template is that more messages only add text behind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from byzer_lab.training.data.rows import BadRow
from byzer_lab.training.data.turns import Message

PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ message['content'] + '\\n' }}"
    "{% elif message['role'] == 'user' %}{{ 'User: ' + message['content'] + '\\n' }}"
    "{% elif message['role'] == 'assistant' %}"
    "{{ 'Assistant: ' + message['content'] + (eos_token or '') + '\\n' }}"
    "{% else %}{{ raise_exception('only system, user and assistant can speak here') }}"
    "{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
)
"""For a model without a chat template; it is saved with the tokenizer, so that the tuned model is
asked in the same words."""

IGNORED = -100
"""Label of tokens that aren't trained on."""


@dataclass(frozen=True)
class Rendered:
    """A conversation as text.

    Attributes:
        text: The whole.
        spans: Begin and end of the assistant's characters.
        last_only: The template writes earlier turns otherwise once they are history, so only the
            last one can be trained on.
    """

    text: str
    spans: list[tuple[int, int]]
    last_only: bool = False


class Renderer:
    """Renders conversations by a tokenizer's chat template.

    Args:
        tokenizer: The model's, with a chat template.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        marks = {tokenizer.eos_token, *(tokenizer.all_special_tokens or ())}
        added = getattr(tokenizer, "added_tokens_decoder", {})
        marks |= {token.content for token in added.values() if token.special}
        self._marks = tuple(mark for mark in marks if mark)

    def render(
        self,
        messages: list[Message],
        tools: list[dict[str, Any]] | None = None,
        *,
        after: int = 0,
    ) -> Rendered:
        """Render one conversation, up to the assistant's last turn.

        Args:
            messages: The conversation.
            tools: What the assistant may call.
            after: The messages before this one aren't trained on.

        Raises:
            BadRow: The template refuses it, or no span can be found.
        """
        turns = [at for at, one in enumerate(messages) if one["role"] == "assistant"]
        messages = messages[: turns[-1] + 1]
        turns = [at for at in turns if at >= after]
        whole = self._ended(self._text(messages, tools))
        spans = []
        for at in turns:
            last = at == len(messages) - 1
            until = whole if last else self._text(messages[: at + 1], tools)
            begin = self._begin(messages[:at], tools, until)
            if begin is None or not whole.startswith(until):
                if not last:
                    continue
                raise BadRow(
                    f"messages[{at}]",
                    "template_refuses",
                    "the chat template writes what was said before otherwise once an answer "
                    "follows, so the answer can't be told from the question.",
                )
            spans.append((begin, len(until)))
        return Rendered(whole, spans, len(spans) < len(turns))

    def _begin(
        self, before: list[Message], tools: list[dict[str, Any]] | None, until: str
    ) -> int | None:
        """Where the answer begins that ends a text."""
        prompt = self._text(before, tools, generation=True)
        if until.startswith(prompt):
            return len(prompt)
        # Some templates begin a thought which an answer that is given need not have.
        plain = self._text(before, tools)
        same = _same(prompt, until)
        return same if same > len(plain) and until.startswith(plain) else None

    def _text(
        self,
        messages: list[Message],
        tools: list[dict[str, Any]] | None,
        *,
        generation: bool = False,
    ) -> str:
        try:
            text: str = self._tokenizer.apply_chat_template(
                messages, tools=tools, add_generation_prompt=generation, tokenize=False
            )
        except (jinja2.TemplateError, TypeError, ValueError) as error:
            raise BadRow(
                "", "template_refuses", f"the model's chat template refuses it: {error}."
            ) from error
        return text

    def _ended(self, text: str) -> str:
        """The model shall learn to stop: a template without an end of turn gets the text's end."""
        end = self._tokenizer.eos_token
        if not end or text.rstrip().endswith(self._marks):
            return text
        return f"{text}{end}"


class Encoder:
    """Texts with spans to tokens and labels, many at a time.

    Args:
        tokenizer: The model's.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def encode(self, rendered: Sequence[Rendered]) -> list[tuple[list[int], list[int]]]:
        """Token numbers and labels of each text; what is outside the spans is :data:`IGNORED`."""
        if not rendered:
            return []
        texts = [one.text for one in rendered]
        if not self._tokenizer.is_fast:
            return [self._by_counting(one) for one in rendered]
        found = self._tokenizer(
            texts,
            add_special_tokens=False,
            return_attention_mask=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        return [
            (tokens, _labels(tokens, offsets, one.spans))
            for tokens, offsets, one in zip(
                found["input_ids"], found["offset_mapping"], rendered, strict=True
            )
        ]

    def _by_counting(self, one: Rendered) -> tuple[list[int], list[int]]:
        """Of tokenizers that don't say where a token stands."""

        def tokens_of(text: str) -> list[int]:
            found: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
            return found

        tokens = tokens_of(one.text)
        labels = [IGNORED] * len(tokens)
        for begin, end in one.spans:
            first, last = len(tokens_of(one.text[:begin])), len(tokens_of(one.text[:end]))
            labels[first:last] = tokens[first:last]
        return tokens, labels


def _same(one: str, other: str) -> int:
    """How many characters are the same at the beginning."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _labels(
    tokens: list[int], offsets: Iterable[tuple[int, int]], spans: list[tuple[int, int]]
) -> list[int]:
    labels = [IGNORED] * len(tokens)
    remaining = iter(spans)
    span = next(remaining, None)
    for at, (begin, end) in enumerate(offsets):
        while span is not None and begin >= span[1]:
            span = next(remaining, None)
        if span is None:
            break
        if end > span[0] and end > begin:
            labels[at] = tokens[at]
    return labels
