"""Patterns that stand for formats and for parts of patterns.

The library's own are wider than what validators accept: seconds of 60, letters of small ``t`` and
``z``, a year 0. What is written here is narrower, so that every validator takes it.
"""

from __future__ import annotations

import re

_MONTH_DAY = (
    "(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])"
    "|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP_YEAR = "(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"
_DATE = f"(?:[1-9][0-9]{{3}}-{_MONTH_DAY}|{_LEAP_YEAR}-02-29)"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE = "(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"

_N = "[0-9]{1,6}"
_CLOCK = f"T(?:{_N}H(?:{_N}M(?:{_N}S)?)?|{_N}M(?:{_N}S)?|{_N}S)"
_DAYS = f"(?:{_N}Y(?:{_N}M(?:{_N}D)?)?|{_N}M(?:{_N}D)?|{_N}D)"

PATTERNS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}{_ZONE}$",
    "duration": f"^P(?:{_DAYS}(?:{_CLOCK})?|{_CLOCK}|{_N}W)$",
    "date-time": f"^{_DATE}T{_TIME}{_ZONE}$",
}
"""Of each format that is held by a pattern of ours."""

HELD = {"email", "hostname", "ipv4", "ipv6", "uuid", "uri"}
"""Formats that the library holds."""

STANDARD = {
    "idn-email",
    "idn-hostname",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "uri-reference",
    "uri-template",
}
"""Formats that JSON Schema defines and nothing here holds. Other names are remarks to the reader,
such as ``password``."""

# Validators read these by Unicode, the library by ASCII.
_ASCII = r"^[\x20-\x7e]*$"
_NO_SPACE = r"^[^\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$"


def beside(pattern: str) -> list[str]:
    """Patterns that a text must fit as well, so that validators agree with the library."""
    letters = set(re.findall(r"\\(.)", pattern))
    if letters & {"W", "D", "b", "B"}:
        return [_ASCII]
    return [_NO_SPACE] if "S" in letters else []
