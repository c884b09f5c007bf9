"""Messages of a conversation in a row: both spellings, checked."""

from __future__ import annotations

import json
from typing import Any

from byzer_lab.training.data.rows import BadRow

Message = dict[str, Any]

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "function_call": "assistant",
    "tool": "tool",
    "function": "tool",
    "observation": "tool",
    "ipython": "tool",
}
_KEPT = ("tool_calls", "tool_call_id", "name", "reasoning_content")


def read_messages(value: Any, column: str) -> list[Message]:
    """Messages of a column, as ``{role, content}`` or ``{from, value}``.

    Args:
        value: The column's; one text is the user's, or where it is the answer, the assistant's.
        column: Its name.

    Raises:
        BadRow: One is not as it must be.
    """
    if value is None:
        raise BadRow(column, "missing_field", "it is missing.")
    if isinstance(value, str):
        answers = column not in ("prompt", "question", "query")
        text = text_of(value, column, answer=answers)
        return [{"role": "assistant" if answers else "user", "content": text}]
    if not isinstance(value, list):
        raise BadRow(column, "wrong_type", f"it is {kind_of(value)}, not a list.", value)
    if not value:
        raise BadRow(column, "no_assistant_turn", "it is an empty list.")
    return [_message(one, f"{column}[{at}]") for at, one in enumerate(value)]


def read_tools(value: Any) -> list[dict[str, Any]] | None:
    """What the assistant may call; a list, or the same as a JSON text.

    Raises:
        BadRow: It is neither.
    """
    if value in (None, "", []):
        return None
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise BadRow("tools", "bad_json", f"it is no valid JSON: {error}.", value) from error
    if not isinstance(value, list) or not all(isinstance(tool, dict) for tool in value):
        raise BadRow("tools", "wrong_type", "it must be a list of objects.", value)
    return value


def check_order(messages: list[Message], column: str) -> None:
    """Refuse a conversation that no chat template means.

    Raises:
        BadRow: Its roles are in an order that can't be, or nobody answers.
    """
    first = len(messages) and messages[0]["role"] == "system"
    before = ""
    for at, message in enumerate(messages):
        role = message["role"]
        where = f"{column}[{at}]"
        if role == "system" and at > 0:
            raise BadRow(where, "role_order", "a system message stands first or not at all.")
        if role == "tool" and before not in ("assistant", "tool"):
            raise BadRow(where, "role_order", "a tool's result stands after the assistant's call.")
        if role == before == "assistant":
            raise BadRow(where, "role_order", "the assistant speaks twice in a row.")
        if role == "assistant" and at == int(bool(first)):
            raise BadRow(where, "role_order", "the assistant speaks before anybody asks.")
        before = role
    if not any(message["role"] == "assistant" for message in messages):
        raise BadRow(column, "no_assistant_turn", "nobody answers in it, so nothing is learned.")


def text_of(value: Any, column: str, *, answer: bool) -> str:
    """A text that isn't empty.

    Args:
        value: The place's.
        column: Path to it.
        answer: It is what the model shall learn to say.

    Raises:
        BadRow: It is something else.
    """
    if value is None:
        raise BadRow(column, "missing_field", "it is missing.")
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)  # a table's column of numbers, such as the results of sums
    if not isinstance(value, str):
        raise BadRow(column, "wrong_type", f"it is {kind_of(value)}, not a text.", value)
    if not value.strip():
        what = "there is nothing to learn" if answer else "nothing is asked"
        raise BadRow(column, "empty_answer" if answer else "missing_field", f"it is empty: {what}.")
    return value


def kind_of(value: Any) -> str:
    """What a value is, in words."""
    words = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    if value is None:
        return "empty"
    return words.get(type(value), "a number" if isinstance(value, int | float) else str(value))


def _message(one: Any, where: str) -> Message:
    if not isinstance(one, dict):
        raise BadRow(where, "wrong_type", f"it is {kind_of(one)}, not an object.", one)
    by, says = ("from", "value") if one.get("from") is not None else ("role", "content")
    role = one.get(by)
    if not isinstance(role, str):
        code = "missing_field" if role is None else "wrong_type"
        raise BadRow(f"{where}.{by}", code, f"{by} must say who speaks.", one)
    known = _ROLES.get(role.lower())
    if known is None:
        raise BadRow(
            f"{where}.{by}", "bad_role", f"{role!r} is none of {', '.join(sorted(_ROLES))}.", role
        )
    kept = {name: one[name] for name in _KEPT if one.get(name) not in (None, [], "")}
    if known == "assistant" and "tool_calls" in kept:
        kept["tool_calls"] = [_call(call, where) for call in kept["tool_calls"]]
        content = one.get(says) or ""
    elif known == "tool":
        content = one.get(says) if one.get(says) is not None else ""
    else:
        content = one.get(says)
    if isinstance(content, list):
        content = _parts(content, f"{where}.{says}")
    if not (known == "tool" or "tool_calls" in kept):
        content = text_of(content, f"{where}.{says}", answer=known == "assistant")
    elif not isinstance(content, str):
        raise BadRow(
            f"{where}.{says}", "wrong_type", f"it is {kind_of(content)}, not a text.", content
        )
    return {"role": known, "content": content, **kept}


def _call(call: Any, where: str) -> Any:
    """A call of a tool, its arguments as an object: chat templates write JSON of them."""
    if not isinstance(call, dict):
        raise BadRow(f"{where}.tool_calls", "wrong_type", "a call must be an object.", call)
    function = dict(call.get("function") or call)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        try:
            function["arguments"] = json.loads(arguments)
        except ValueError as error:
            raise BadRow(
                f"{where}.tool_calls", "bad_json", f"a call's arguments are no JSON: {error}.", call
            ) from error
    return {**call, "function": function} if "function" in call else {"function": function}


def _parts(parts: list[Any], column: str) -> str:
    """The text of content that is given in parts."""
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) else part
        if not isinstance(text, str):
            raise BadRow(column, "wrong_type", "only parts with text can be trained on.", part)
        texts.append(text)
    return "".join(texts)
