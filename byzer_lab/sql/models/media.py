"""Sounds and pictures in queries: ``llm_transcribe``, ``llm_speak`` and ``llm_draw``.

Sounds and pictures are columns of bytes (BLOB, or BINARY in Spark). The engines of SQL hand the
arguments of a call over as JSON, so bytes go in as base64; answers come back as bytes.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from sqlglot import exp

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.models.questions import Kind, Question
from byzer_lab.types import Message

TEXT = "input"
KINDS: tuple[Kind, ...] = ("transcribe", "speak", "draw")


def as_base64(value: exp.Expr) -> exp.Expr:
    """Bytes as base64, whatever engine computes it; a text is what it is, once more in base64."""
    return exp.ToBase64(this=exp.cast(value.copy(), exp.DataType.Type.VARBINARY))


def media_question(kind: Kind, value: Any) -> Question:
    """The question of a row.

    Args:
        kind: One of :data:`KINDS`.
        value: The argument, or a list of it and of a map with what else is wanted.

    Raises:
        InvalidRequestError: The second argument is no map.
    """
    first, options = value if isinstance(value, list) else (value, {})
    if isinstance(options, str):
        options = _map(options)
    if not isinstance(options, Mapping):
        raise InvalidRequestError(
            f"What llm_{kind} is to do is {options!r}; write map('name', value)."
        )
    given = {name: found for name, found in options.items() if found is not None}
    if kind == "transcribe":
        form = {} if "timestamp_granularities" in given else {"response_format": "text"}
        asked = {"audio": _sound(first), **form, **given}
    else:
        asked = {TEXT: first if isinstance(first, str) else json.dumps(first), **_numbers(given)}
    text = json.dumps(asked, ensure_ascii=False, sort_keys=True)
    return Question(kind, messages=[Message("user", text)])


def media_bytes(text: str) -> bytes:
    """The bytes of an answer."""
    if not text:
        raise InvalidRequestError("The model made no sound and no picture.")
    return base64.b64decode(text)


def _sound(given: Any) -> str:
    """Base64 of bytes as it is; of a text that is base64 or a ``data:`` URI itself, that text."""
    if not isinstance(given, str):
        raise InvalidRequestError(f"llm_transcribe takes a sound, and was given {given!r}.")
    plain = "".join(given.split())  # Spark breaks base64 into lines
    try:
        inside = base64.b64decode(plain, validate=True)
    except ValueError:
        return given
    if inside.startswith(b"data:"):
        return inside.decode("ascii", "replace")
    try:
        base64.b64decode(inside, validate=True)
    except ValueError:
        return plain
    return inside.decode() if len(inside) > 16 else plain


def _map(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _numbers(given: Mapping[str, Any]) -> dict[str, Any]:
    """A map has values of one kind; numbers and truth values in it that are texts are read."""
    read: dict[str, Any] = {}
    for name, value in given.items():
        try:
            found = json.loads(value) if isinstance(value, str) else value
        except ValueError:
            found = value
        read[name] = found if isinstance(found, int | float | bool) and name not in TEXTS else value
    return read


TEXTS = ("voice", "negative_prompt", "size", "instructions", "style", "quality")
"""Names whose values stay texts, even where they look like numbers."""
