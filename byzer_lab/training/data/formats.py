"""The shapes that rows come in, and how each becomes an example.

| format | columns |
|---|---|
| ``moss`` | ``conversation``: list of ``{human, assistant}``; ``system`` |
| ``alpaca`` | ``instruction``, ``output``; ``input``, ``history`` (list of pairs), ``system`` |
| ``messages`` | ``messages``: list of ``{role, content}``; ``tools`` |
| ``conversations`` | ``conversations``: list of ``{from, value}``; ``system``, ``tools`` |
| ``prompt`` | ``prompt`` and ``completion``, or ``question`` and ``answer`` and the like |
| ``text`` | ``text`` |
| ``preference`` | ``chosen``, ``rejected``; ``prompt`` or ``instruction``, ``input``, ``system`` |

Other columns are left alone. A missing column and an empty one (``null``) are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from difflib import SequenceMatcher
from typing import Any

from byzer_lab.training.data.rows import BadRow, Example, Row
from byzer_lab.training.data.turns import (
    Message,
    check_order,
    kind_of,
    read_messages,
    read_tools,
    text_of,
)

_PROMPTS = ("prompt", "question", "query")
_COMPLETIONS = ("completion", "response", "answer", "output")
_NEEDED: dict[str, tuple[tuple[str, ...], ...]] = {
    "preference": (("chosen",), ("rejected",)),
    "moss": (("conversation",),),
    "messages": (("messages",),),
    "conversations": (("conversations",),),
    "alpaca": (("instruction",), ("output",)),
    "prompt": (_PROMPTS, _COMPLETIONS),
    "text": (("text",),),
}
"""Columns by which a format is known, in the order of trying; one of each tuple must be there."""

FORMATS = tuple(_NEEDED)


def detect(rows: Iterable[Row]) -> tuple[str | None, str]:
    """The format of a file by its first rows.

    Returns:
        The format, or ``None``; and which columns there are, with a hint where they fit none.
    """
    columns: dict[str, None] = {}
    for row in rows:
        if row.broken is None and isinstance(row.value, dict):
            columns |= dict.fromkeys(name for name, value in row.value.items() if value is not None)
    there = f"its columns are {', '.join(columns)}" if columns else "it has no columns"
    for name in _NEEDED:
        if _has(columns, name):
            return name, there
    return None, f"{there}; {_nearest(list(columns))}"


def fits(row: Row, format: str) -> bool:
    """Whether a row has the columns of a format; files may hold several."""
    return not isinstance(row.value, dict) or _has(row.value, format)


def convert(row: Row, format: str) -> Example:
    """A row as an example.

    Args:
        row: As it was read.
        format: Of its file.

    Raises:
        BadRow: It can't be trained on.
    """
    if row.broken is not None:
        raise BadRow("", "bad_json", f"{row.broken}.")
    if not isinstance(row.value, dict):
        raise BadRow("", "wrong_type", f"it is {kind_of(row.value)}, not an object with columns.")
    value = {name: part for name, part in row.value.items() if part is not None}
    return _CONVERTERS[format](row.number, value)


def _has(columns: Container[str], format: str) -> bool:
    return all(any(column in columns for column in either) for either in _NEEDED[format])


def _moss(number: int, value: dict[str, Any]) -> Example:
    rounds = _list(value, "conversation")
    messages = _system(value)
    for at, one in enumerate(rounds):
        where = f"conversation[{at}]"
        if not isinstance(one, dict):
            raise BadRow(
                where, "wrong_type", f"it is {kind_of(one)}, not human and assistant.", one
            )
        messages += [
            {"role": "user", "content": _text(one, "human", where)},
            {"role": "assistant", "content": _text(one, "assistant", where, answer=True)},
        ]
    if not rounds:
        raise BadRow("conversation", "no_assistant_turn", "the conversation is empty.")
    return Example(number, messages)


def _alpaca(number: int, value: dict[str, Any]) -> Example:
    messages = _system(value)
    history = value.get("history") or []
    if not isinstance(history, list):
        raise BadRow("history", "wrong_type", f"it is {kind_of(history)}, not a list.", history)
    for at, pair in enumerate(history):
        where = f"history[{at}]"
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise BadRow(where, "wrong_type", "it is no pair of question and answer.", pair)
        named = {"[0]": pair[0], "[1]": pair[1]}
        messages += [
            {"role": "user", "content": _text(named, "[0]", where)},
            {"role": "assistant", "content": _text(named, "[1]", where, answer=True)},
        ]
    messages.append({"role": "user", "content": _instruction(value)})
    messages.append({"role": "assistant", "content": _text(value, "output", answer=True)})
    return Example(number, messages)


def _messages(number: int, value: dict[str, Any]) -> Example:
    messages = [*_system(value), *read_messages(value.get("messages"), "messages")]
    check_order(messages, "messages")
    return Example(number, messages, read_tools(value.get("tools")))


def _conversations(number: int, value: dict[str, Any]) -> Example:
    messages = [*_system(value), *read_messages(value.get("conversations"), "conversations")]
    check_order(messages, "conversations")
    return Example(number, messages, read_tools(value.get("tools")))


def _prompt(number: int, value: dict[str, Any]) -> Example:
    asked, answered = _first(value, _PROMPTS), _first(value, _COMPLETIONS)
    if isinstance(value.get(asked), list) or isinstance(value.get(answered), list):
        messages = [
            *_system(value),
            *read_messages(value.get(asked), asked),
            *read_messages(value.get(answered), answered),
        ]
        check_order(messages, answered)
        return Example(number, messages, read_tools(value.get("tools")))
    prompt = _text(value, asked)
    completion = _text(value, answered, answer=True)
    return Example(number, _system(value) or None, prompt=prompt, text=completion)


def _plain(number: int, value: dict[str, Any]) -> Example:
    return Example(number, text=_text(value, "text", answer=True))


def _preference(number: int, value: dict[str, Any]) -> Example:
    chosen, rejected = value.get("chosen"), value.get("rejected")
    if isinstance(chosen, list) or isinstance(rejected, list):
        return _preferred_turns(number, value)
    better = _text(value, "chosen", answer=True)
    worse = _text(value, "rejected", answer=True)
    _differ(better, worse)
    asked = value.get("prompt")
    if isinstance(asked, list):
        messages = [*_system(value), *read_messages(asked, "prompt")]
        return _preferred(number, messages, [_says(better)], [_says(worse)])
    prompt = _text(value, "prompt") if "instruction" not in value else _instruction(value)
    return Example(number, _system(value) or None, prompt=prompt, chosen=better, rejected=worse)


def _preferred_turns(number: int, value: dict[str, Any]) -> Example:
    better = _turns(value, "chosen")
    worse = _turns(value, "rejected")
    asked = value.get("prompt")
    if isinstance(asked, list):
        begin = read_messages(asked, "prompt")
    elif asked is not None and not _begins(better, asked):
        begin = [{"role": "user", "content": _text(value, "prompt")}]
    else:  # both are whole conversations with the same beginning
        same = 0
        while same < min(len(better), len(worse)) - 1 and better[same] == worse[same]:
            same += 1
        begin, better, worse = better[:same], better[same:], worse[same:]
    _differ(better, worse)
    return _preferred(number, [*_system(value), *begin], better, worse)


def _preferred(
    number: int, messages: list[Message], better: list[Message], worse: list[Message]
) -> Example:
    if not any(message["role"] == "user" for message in messages):
        raise BadRow("prompt", "missing_field", "there is no question that both answer.")
    for name, answer in (("chosen", better), ("rejected", worse)):
        check_order([*messages, *answer], name)
        if answer[-1]["role"] != "assistant":
            raise BadRow(name, "no_assistant_turn", "it doesn't end with the assistant's turn.")
    return Example(number, messages, chosen=better, rejected=worse)


def _turns(value: dict[str, Any], name: str) -> list[Message]:
    if isinstance(value.get(name), str):
        return [_says(_text(value, name, answer=True))]
    return read_messages(value.get(name), name)


def _says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def _begins(turns: list[Message], asked: Any) -> bool:
    return len(turns) > 1 and any(turn["content"] == asked for turn in turns[:-1])


def _differ(better: Any, worse: Any) -> None:
    if better == worse:
        raise BadRow("rejected", "wrong_type", "it is the same as chosen: nothing is preferred.")


def _system(value: dict[str, Any]) -> list[Message]:
    told = value.get("system")
    if told in (None, ""):
        return []
    return [{"role": "system", "content": _text(value, "system")}]


def _instruction(value: dict[str, Any]) -> str:
    """The question: the input stands below the instruction, where there is one."""
    asked = _text(value, "instruction")
    more = value.get("input")
    return asked if more in (None, "") else f"{asked}\n{_text(value, 'input')}"


def _text(value: dict[str, Any], name: str, where: str = "", *, answer: bool = False) -> str:
    column = f"{where}{name}" if name.startswith("[") else ".".join(filter(None, (where, name)))
    return text_of(value.get(name), column, answer=answer)


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    if found is None:
        raise BadRow(name, "missing_field", "it is missing.")
    if not isinstance(found, list):
        raise BadRow(name, "wrong_type", f"it is {kind_of(found)}, not a list.", found)
    return found


def _first(value: dict[str, Any], names: tuple[str, ...]) -> str:
    return next((name for name in names if name in value), names[0])


def _nearest(columns: list[str]) -> str:
    """Which format the columns are most like, and what it lacks."""

    def likeness(name: str) -> float:
        best = [
            max((SequenceMatcher(None, a, b).ratio() for a in either for b in columns), default=0.0)
            for either in _NEEDED[name]
        ]
        return sum(best) / len(best)

    name = max(FORMATS, key=likeness)
    lacks = [
        " or ".join(either)
        for either in _NEEDED[name]
        if not any(column in columns for column in either)
    ]
    known = "; ".join(
        f"{format}: {', '.join(either[0] for either in needed)}"
        for format, needed in _NEEDED.items()
    )
    return f"nearest is {name}, which also needs {' and '.join(lacks)} (formats: {known})"


_CONVERTERS: dict[str, Callable[[int, dict[str, Any]], Example]] = {
    "preference": _preference,
    "moss": _moss,
    "messages": _messages,
    "conversations": _conversations,
    "alpaca": _alpaca,
    "prompt": _prompt,
    "text": _plain,
}
