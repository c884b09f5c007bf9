"""Finds the JSON in what a model wrote: alone, in a code block, in prose, or nearly right."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any

from byzer_lab.client.typed.kinds import AnswerKind, UnfitError

_BLOCK = re.compile(r"^[ \t]*(`{3,}|~{3,})([^\n`]*)\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.S | re.M)
_THOUGHT = re.compile(r"\A\s*<think>.*?</think>", re.S)
_OPENING = re.compile(r"[{\[]")
STARTS = 200
"""Most brackets of a text that are tried as the beginning of JSON."""
WRAPPED = "value"
"""The key of an answer that is no object, where a provider takes objects only."""


def extract_code(text: str) -> list[tuple[str, str]]:
    """The code blocks of a Markdown text, in order.

    Returns:
        Of each, its language in small letters (empty where none is named) and its text.
    """
    return [(match[2].strip().lower(), match[3].rstrip("\n")) for match in _BLOCK.finditer(text)]


def without_thoughts(text: str) -> str:
    """An answer without what a model thought aloud before it."""
    return _THOUGHT.sub("", text).strip()


def read_answer(text: str, kind: AnswerKind, *, whole: bool = True) -> Any:
    """The value of an answer.

    Args:
        text: The answer.
        kind: What it was asked for as.
        whole: The answer came to its own end. What was cut off is not repaired: a story with half
            of its last sentence would fit as well.

    Raises:
        UnfitError: No JSON in it fits.
    """
    text = without_thoughts(text)
    first: UnfitError | None = None
    for data in json_values(text, whole=whole):
        for value in _unwrapped(data, kind):
            try:
                return kind.read(value)
            except UnfitError as error:
                first = first or error
    if whole and text:
        with contextlib.suppress(UnfitError):
            return kind.read(text)  # a plain text, or the name of an enum, without quotes
    if first is None:
        first = UnfitError("There is no JSON in the answer" if text else "The answer is empty")
    raise first


def _unwrapped(data: Any, kind: AnswerKind) -> Iterator[Any]:
    if isinstance(data, dict) and list(data) == [WRAPPED] and not _has_own(kind):
        yield data[WRAPPED]
    yield data


def _has_own(kind: AnswerKind) -> bool:
    return WRAPPED in kind.schema.get("properties", {})


def json_values(text: str, *, whole: bool = True) -> Iterator[Any]:
    """What a text may mean as JSON, likeliest first.

    Args:
        text: All of it, a code block in it, or a part of its prose is JSON.
        whole: Nothing was cut off, so that what is nearly JSON may be repaired.
    """
    blocks = [code for language, code in extract_code(text) if language in ("json", "json5", "")]
    for candidate in (text, *reversed(blocks)):
        try:
            yield json.loads(candidate)
        except (ValueError, RecursionError):
            continue
    yield from _inside(text)
    if whole and _OPENING.search(text):
        yield from _repaired([*reversed(blocks), text[_start(text) :]])


def _start(text: str) -> int:
    match = _OPENING.search(text)
    return match.start() if match else 0


def _inside(text: str) -> Iterator[Any]:
    """JSON values inside prose, the longest first."""
    decoder = json.JSONDecoder()
    found: list[tuple[int, Any]] = []
    place = 0
    for _ in range(STARTS):
        match = _OPENING.search(text, place)
        if match is None:
            break
        place = match.end()
        try:
            value, end = decoder.raw_decode(text, match.start())
        except ValueError:
            continue
        except RecursionError:
            break
        found.append((end - match.start(), value))
        place = end
    for _, value in sorted(found, key=lambda pair: -pair[0]):
        yield value


def _repaired(candidates: list[str]) -> Iterator[Any]:
    import json_repair

    for candidate in candidates:
        try:
            repaired = json_repair.loads(candidate)
        except RecursionError:
            continue
        if isinstance(repaired, dict | list):
            yield repaired
