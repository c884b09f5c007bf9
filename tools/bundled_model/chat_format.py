"""Render conversations with the shipped chat template and mark the assistant's tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from .drawing import Example

CHAT_TEMPLATE = (Path(__file__).parent / "chat_template.jinja").read_text()
_END = "<|im_end|>"
_OPEN = "<|im_start|>assistant\n"
_TEMPLATE = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(
    CHAT_TEMPLATE
)


def render(
    messages: list[dict[str, Any]],
    tools: list[dict[str, Any]] | None = None,
    add_generation_prompt: bool = False,
) -> str:
    """The text of a conversation."""
    return _TEMPLATE.render(
        messages=messages, tools=tools or None, add_generation_prompt=add_generation_prompt
    )


def prompt_text(example: Example) -> str:
    """Everything before the expected answer, ready for generation."""
    return render(example.messages[:-1], example.tools, add_generation_prompt=True)


def message_texts(example: Example) -> Iterator[str]:
    """The rendered conversation without its special tokens (for the tokenizer's trainer)."""
    for part in render(example.messages, example.tools).split("<|im_start|>"):
        for text in part.replace("<tool_call>", _END).replace("</tool_call>", _END).split(_END):
            if text:
                yield text


def encode_example(tokenizer: Tokenizer, example: Example) -> tuple[list[int], list[bool]]:
    """Token ids, and for each whether the model must learn to predict it.

    Learned are the assistant's texts with their end mark; everything else is context. The pieces
    are encoded apart at special tokens, where BPE can't merge across, so the ids are those of the
    whole text.
    """
    ids: list[int] = []
    learned: list[bool] = []
    pieces = render(example.messages, example.tools).split(_OPEN)
    for number, piece in enumerate(pieces):
        if number:
            answer, _, piece = piece.partition(_END)
            part = tokenizer.encode(answer + _END, add_special_tokens=False).ids
            ids += part
            learned += [True] * len(part)
        text = piece + (_OPEN if number < len(pieces) - 1 else "")
        part = tokenizer.encode(text, add_special_tokens=False).ids if text else []
        ids += part
        learned += [False] * len(part)
    return ids, learned
