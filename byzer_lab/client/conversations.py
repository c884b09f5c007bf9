"""Conversations as callers write them, checked."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import Message

Conversations = str | list[dict[str, Any]]


def read_messages(conversations: Conversations, *, json_text: bool = False) -> list[Message]:
    """Check a conversation and copy it.

    Args:
        conversations: Dicts with ``role`` and ``content``, or one user message as a text.
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
        if not isinstance(turn, dict):
            raise InvalidRequestError(
                f"The conversation holds {turn!r}. Each message is a dict with 'role' (system, "
                "user, assistant or tool) and 'content' (text)."
            )
    if not conversations:
        raise InvalidRequestError("The conversation is empty; it needs at least one message.")
    try:
        return [
            msgspec.convert({k: v for k, v in turn.items() if k != "metadata"}, Message)
            for turn in turns
        ]
    except (msgspec.ValidationError, AttributeError) as error:
        raise InvalidRequestError(
            f"The conversation was refused: {error}. Each message is a dict with 'role' (system, "
            "user, assistant or tool) and 'content' (text)."
        ) from error


def _listed(text: str) -> list[dict[str, Any]] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, list) else None
