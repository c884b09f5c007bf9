"""What a magic accepts, and how its help says so."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["text", "integer", "number", "flag"]

WIDTH = 96
LEFT_WIDTH = 34
_METAVARS: dict[Kind, str] = {"text": "TEXT", "integer": "N", "number": "X"}


@dataclass(frozen=True)
class Option:
    """One option of a magic.

    Attributes:
        name: Its name, with underscores and without dashes.
        help: A few words.
        kind: What its value is.
        default: The value when it is not given.
        metavar: How help names the value.
        repeat: May be given several times; the value is a list.
        required: Must be given.
        short: One-letter spelling.
        shown_default: How help words the default, where the value itself says little.
        values: What completion proposes.
        deployment: Its value names a deployment, which completion knows.
    """

    name: str
    help: str
    kind: Kind = "text"
    default: Any = None
    metavar: str = ""
    repeat: bool = False
    required: bool = False
    short: str = ""
    shown_default: str = ""
    values: tuple[str, ...] = ()
    deployment: bool = False

    @property
    def spelling(self) -> str:
        """With the dashes."""
        return f"--{self.name}"


@dataclass(frozen=True)
class Positional:
    """A word without dashes.

    Attributes:
        name: Its name, in capitals in the help.
        help: A few words.
        kind: What it is.
        required: Must be given.
        deployment: It names a deployment, which completion knows.
    """

    name: str
    help: str
    kind: Kind = "text"
    required: bool = True
    deployment: bool = False


HELP = Option("help", "print this and do nothing else", kind="flag", short="h")


def describe_positional(positional: Positional) -> tuple[str, str]:
    """Its row in the help."""
    return positional.name.upper(), positional.help


def describe_option(option: Option) -> tuple[str, str]:
    """Its row in the help."""
    spelling = f"-{option.short}, {option.spelling}" if option.short else option.spelling
    value = "" if option.kind == "flag" else f" {option.metavar or _METAVARS[option.kind]}"
    return spelling + value, option.help + _default_words(option)


def _default_words(option: Option) -> str:
    if option.required:
        return " (required)"
    if option.repeat:
        return " (repeatable)"
    if option.kind == "flag":
        return ""
    value = option.default
    number = f"{value:g}" if isinstance(value, int | float) else value
    default = option.shown_default or number
    return f" (default: {default})" if default else ""


def help_text(forms: list[str], summary: str, rows: list[tuple[str, str]], notes: str) -> str:
    """The help of a magic.

    Args:
        forms: How it is written, one line each.
        summary: What it does.
        rows: Names and explanations.
        notes: What else to know; may be empty.
    """
    width = min(LEFT_WIDTH, max(len(left) for left, _ in rows) + 4)
    lines = [*forms, "", summary, ""]
    for left, right in rows:
        first, *more = textwrap.wrap(right, WIDTH - width)
        if len(left) + 4 > width:
            lines.append(f"  {left}")
            left = ""
        lines.append(f"  {left}".ljust(width) + first)
        lines += [" " * width + line for line in more]
    if notes:
        lines += ["", *textwrap.wrap(notes, WIDTH)]
    return "\n".join(lines)
