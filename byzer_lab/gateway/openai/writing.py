"""Byzer Lab's answers in OpenAI's words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from byzer_lab.types import TokenLogprob, ToolCall, Usage
from byzer_lab.web import encode_json

DONE = b"data: [DONE]\n\n"
FINISH = {"cancelled": "stop"}
"""OpenAI has no word for an answer that was ended from outside."""


def event(value: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + encode_json(value) + b"\n\n"


def finish_reason(reason: str) -> str:
    """Why an answer ended."""
    return FINISH.get(reason, reason)


def usage(counts: Usage) -> dict[str, Any]:
    """Tokens of a chat or a completion."""
    return {
        "prompt_tokens": counts.input_tokens,
        "completion_tokens": counts.output_tokens,
        "total_tokens": counts.input_tokens + counts.output_tokens,
        "prompt_tokens_details": {"cached_tokens": counts.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": counts.reasoning_tokens},
    }


def tool_call(call: ToolCall) -> dict[str, Any]:
    """A whole tool call."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def _logprob(token: TokenLogprob) -> dict[str, Any]:
    return {
        "token": token.text,
        "logprob": token.logprob,
        "bytes": list(token.text.encode()),
    }


def logprobs(tokens: Sequence[TokenLogprob], wanted: int | None) -> dict[str, Any] | None:
    """Probabilities of a chat's tokens; ``None`` where none were asked for."""
    if wanted is None:
        return None
    content = [
        {**_logprob(token), "top_logprobs": [_logprob(top) for top in token.top[:wanted]]}
        for token in tokens
    ]
    return {"content": content, "refusal": None}


def old_logprobs(
    tokens: Sequence[TokenLogprob], wanted: int | None, offset: int
) -> dict[str, Any] | None:
    """Probabilities of a completion's tokens, in the older form.

    Args:
        tokens: The tokens.
        wanted: How many of the likeliest were asked for; ``None``: no probabilities.
        offset: Characters of the answer before them.
    """
    if wanted is None:
        return None
    offsets = []
    for token in tokens:
        offsets.append(offset)
        offset += len(token.text)
    return {
        "tokens": [token.text for token in tokens],
        "token_logprobs": [token.logprob for token in tokens],
        "top_logprobs": [{top.text: top.logprob for top in token.top} for token in tokens],
        "text_offset": offsets,
    }
