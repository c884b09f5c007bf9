"""Java's patterns of dates, which Spark and Byzer-SQL use, in the words of ``strftime``."""

from __future__ import annotations

import datetime
import re

CODES = {
    "y": "%Y",
    "yy": "%y",
    "yyyy": "%Y",
    "M": "%-m",
    "MM": "%m",
    "MMM": "%b",
    "MMMM": "%B",
    "d": "%-d",
    "dd": "%d",
    "H": "%-H",
    "HH": "%H",
    "h": "%-I",
    "hh": "%I",
    "m": "%-M",
    "mm": "%M",
    "s": "%-S",
    "ss": "%S",
    "SSS": "%g",
    "SSSSSS": "%f",
    "a": "%p",
    "E": "%a",
    "EE": "%a",
    "EEE": "%a",
    "EEEE": "%A",
    "D": "%-j",
    "DDD": "%j",
}
"""What a run of letters is. ``%g`` is DuckDB's code of milliseconds."""

_PIECE = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")


def strftime_pattern(pattern: str) -> str:
    """The pattern for DuckDB's ``strftime`` and ``strptime``.

    Args:
        pattern: ``yyyy-MM-dd'T'HH:mm:ss``.

    Raises:
        ValueError: A letter has no code there, or a quote is never closed; the text says which.
    """
    return "".join(_coded(pattern))


def format_date(moment: datetime.datetime, pattern: str) -> str:
    """A date as a text.

    Raises:
        ValueError: See :func:`strftime_pattern`.
    """
    parts = []
    for code in _coded(pattern):
        if code == "%g":
            parts.append(f"{moment.microsecond // 1000:03d}")
        elif code.startswith("%-"):  # strftime knows it on some systems only
            parts.append(moment.strftime("%" + code[2]).lstrip("0") or "0")
        else:
            parts.append(moment.strftime(code))
    return "".join(parts)


def _coded(pattern: str) -> list[str]:
    codes, end = [], 0
    for piece in _PIECE.finditer(pattern):
        if piece.start() != end:
            break
        end = piece.end()
        text = piece[0]
        if text == "''":
            codes.append("'")
        elif text[0] == "'":
            codes.append(piece[1].replace("''", "'").replace("%", "%%"))
        elif not text[0].isalpha() or not text[0].isascii():
            codes.append("%%" if text == "%" else text)
        elif text in CODES:
            codes.append(CODES[text])
        else:
            raise ValueError(f"`{text}` of the date pattern `{pattern}` is not supported")
    if end != len(pattern):
        raise ValueError(f"a quote of the date pattern `{pattern}` is never closed")
    return codes
