"""A request's messages or prompt as tokens."""

from __future__ import annotations

from typing import Any

import jinja2

from byzer_lab.engines.checks import refuse_calls, text_turns, tools_for_template
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest, Message


def encode_prompt(request: GenerateRequest, tokenizer: Any) -> list[int]:
    """Tokens of what the model is asked.

    Args:
        request: Its messages are rendered by the model's chat template; a prompt goes in as it
            stands, behind the model's beginning-of-text token where there is one.
        tokenizer: The model's.

    Raises:
        InvalidRequestError: Nothing to encode, no chat template, or the template refuses.
    """
    if (request.messages is None) == (request.prompt is None):
        raise InvalidRequestError("A request has either messages or a prompt.")
    if request.messages is not None:
        text = render(request.messages, tokenizer, tools=tools_for_template(request))
        special = False  # the template writes them
    else:
        text = request.prompt or ""
        begin = tokenizer.bos_token
        special = not (begin and text.startswith(begin))
    tokens: list[int] = tokenizer.encode(text, add_special_tokens=special)
    if not tokens:
        raise InvalidRequestError("The prompt is empty.")
    return tokens


def render(
    messages: list[Message],
    tokenizer: Any,
    add_generation_prompt: bool = True,
    tools: list[dict[str, Any]] | None = None,
    *,
    sees: bool = False,
) -> str:
    """The prompt that the model's chat template makes of a conversation.

    Args:
        messages: The conversation.
        tokenizer: The model's.
        add_generation_prompt: End with the beginning of the assistant's turn.
        tools: What the model may call, in OpenAI's form.
        sees: The model sees pictures, and its template marks where they are.

    Raises:
        InvalidRequestError: There is no chat template, or it refuses.
    """
    if not tokenizer.chat_template:
        raise InvalidRequestError(
            "This model has no chat template, so it can't take messages. Send a prompt instead."
        )
    source = template_source(tokenizer)
    refuse_calls(messages, source)
    turns = text_turns(messages, source, sees=sees)
    try:
        rendered: str = tokenizer.apply_chat_template(
            turns, tools=tools, add_generation_prompt=add_generation_prompt, tokenize=False
        )
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise InvalidRequestError(
            f"The model's chat template refuses these messages: {error}"
        ) from error
    return rendered


def template_source(tokenizer: Any) -> str:
    """The chat template that renders conversations with tools; empty when there is none."""
    if not tokenizer.chat_template:
        return ""
    return str(tokenizer.get_chat_template(tools=[{}]))
