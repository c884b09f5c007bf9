"""Conversations as callers write them, checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Message

Conversations = str | Sequence[dict[str, Any] | Message]

FORM = "Each message is a dict with 'role' (system, user, assistant or tool) and 'content' (text)."


def read_messages(conversations: Conversations, *, json_text: bool = False) -> list[Message]:
    """Check a conversation and copy it.

    Args:
        conversations: Dicts with ``role`` and ``content``, or one user message as a text. An
            assistant's turn may have ``tool_calls`` (OpenAI's form is read too), and a tool's turn
            ``tool_call_id``.
        json_text: A text may be a list of such dicts as JSON.

    Raises:
        InvalidRequestError: It is empty, or a message is not of that form.
    """
    if isinstance(conversations, str):
        listed = _listed(conversations) if json_text else None
        if listed is None:
            return [Message(role="user", content=conversations)]
        conversations = listed
    turns: Iterable[Any] = conversations
    if not isinstance(conversations, list | tuple):
        raise InvalidRequestError(
            f"A conversation is a text or a list of messages, not {type(conversations).__name__}."
        )
    for turn in turns:
        if not isinstance(turn, dict | Message):
            raise InvalidRequestError(f"The conversation holds {turn!r}. {FORM}")
    if not conversations:
        raise InvalidRequestError("The conversation is empty; it needs at least one message.")
    try:
        return [_message(turn) for turn in turns]
    except (msgspec.ValidationError, AttributeError) as error:
        raise InvalidRequestError(f"The conversation was refused: {error}. {FORM}") from error


def _message(turn: dict[str, Any] | Message) -> Message:
    if isinstance(turn, Message):
        return msgspec.structs.replace(turn)
    fields = {key: value for key, value in turn.items() if key != "metadata"}
    if fields.get("tool_calls"):
        fields["tool_calls"] = [_call(call) for call in fields["tool_calls"]]
        fields["content"] = fields.get("content") or ""
    elif "content" not in fields:
        raise InvalidRequestError(f"The conversation holds {turn!r}, without 'content'. {FORM}")
    return msgspec.convert(fields, Message)


def _call(call: Any) -> Any:
    """A tool call in our form; what is of no known form is left to the check of messages."""
    if not isinstance(call, dict):
        return msgspec.to_builtins(call)
    function = call.get("function", call)
    arguments = function.get("arguments", "{}")
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {"id": call.get("id") or "", "name": function.get("name"), "arguments": arguments}


def _listed(text: str) -> list[Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None
