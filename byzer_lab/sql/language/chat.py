"""Cells that begin with ``--%chat``: headers, then a question in plain words."""

from __future__ import annotations

import re

from byzer_lab.sql.language.places import Position, ScriptError, nearest
from byzer_lab.sql.language.statements import Chat, Option, Options, Quoting, Text

HEADERS = (
    "model",
    "input",
    "output",
    "system_msg",
    "user_role",
    "assistant_role",
    "embedding",
    "format",
    "image",
)
"""The headers of the original; any other one is a parameter of the answer."""

_FIRST = re.compile(r"\s*--\s*%\s*chat\s*(?:\n|$)")
_HEADER = re.compile(r"[ \t]*--\s*%\s*([\w.]+)\s*(?:=(.*))?$")


def is_chat(script: str) -> bool:
    """A cell is a question to a model and no script."""
    return _FIRST.match(script) is not None


def read_chat(script: str) -> Chat:
    """Read such a cell.

    Raises:
        ScriptError: It names no model or has no question.
    """
    items: list[Option] = []
    lines = script.split("\n")
    first = next(number for number, line in enumerate(lines) if line.strip())
    body = len(lines)
    for number in range(first + 1, len(lines)):
        found = _HEADER.match(lines[number])
        if found is None:
            if lines[number].strip():
                body = number
                break
            continue
        at = Position(number + 1, found.start(1) + 1)
        if found[2] is None:
            raise ScriptError(
                f"the header `{found[1]}` has no value", at, f"Write --%{found[1]}=...", script
            )
        place = Position(number + 1, found.start(2) + 1)
        items.append(Option(found[1], Text(found[2].strip(), place, Quoting.NONE), at))
    headers = Options(tuple(items))
    at = Position(first + 1, 1)
    if not headers.get("model"):
        close = [hint for key in headers if (hint := nearest(key, ["model"]))]
        raise ScriptError(
            "a chat cell names no model",
            at,
            (close or ["Write --%model=name below --%chat."])[0],
            script,
        )
    text = "\n".join(lines[body:]).strip()
    if not text:
        raise ScriptError("a chat cell has no question", at, "Write it below the headers.", script)
    return Chat(
        at,
        script,
        headers.option("model").value,
        Text(text, Position(body + 1, 1), Quoting.BLOCK),
        **{key: headers.get(key, "") for key in HEADERS[1:6]},
        options=headers,
    )
