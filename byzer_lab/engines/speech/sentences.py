"""A text as sentences, for models that speak one at a time."""

from __future__ import annotations

import re

_END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|(?<=[。！？；])[”’」』）]*\s*|\n+")
_PAUSE = re.compile(r"(?<=[,;:，、；：])\s*|\s+")
_CHINESE = re.compile(r"[\u3400-\u9fff]")
LONGEST = 240
"""Characters of a sentence; a longer one is cut at a pause, because models lose their way."""


def sentences(text: str, longest: int = LONGEST) -> list[str]:
    """The sentences of a text, none longer than ``longest`` characters."""
    found = []
    start = 0
    for match in _END.finditer(text):
        found.append(text[start : match.start()] + match.group().strip())
        start = match.end()
    found.append(text[start:])
    return [part for one in found if one.strip() for part in _cut(one.strip(), longest)]


def is_chinese(sentence: str) -> bool:
    """Whether there are Chinese characters in it."""
    return _CHINESE.search(sentence) is not None


def _cut(sentence: str, longest: int) -> list[str]:
    parts = []
    while len(sentence) > longest:
        ends = [match.end() for match in _PAUSE.finditer(sentence, 0, longest) if match.end()]
        commas = [end for end in ends if sentence[:end].rstrip()[-1:] in ",;:，、；："]
        place = commas[-1] if commas and commas[-1] > longest // 2 else max(ends, default=longest)
        parts.append(sentence[:place].strip())
        sentence = sentence[place:].strip()
    return [part for part in (*parts, sentence) if part]
