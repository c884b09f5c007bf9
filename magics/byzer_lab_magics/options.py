"""What a magic accepts, and how its help says so."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from byzer_lab.schema import ParameterInfo

Kind = Literal["text", "integer", "number", "flag"]

WIDTH = 96
LEFT_WIDTH = 34
_METAVARS: dict[Kind, str] = {"text": "TEXT", "integer": "N", "number": "X"}
_KINDS: dict[type, Kind] = {bool: "flag", int: "integer", float: "number"}
_VALUES = {bool: "true|false", int: "N", float: "X", str: "TEXT", list: "A,B", dict: "JSON"}


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
        needless: Asked whether a required one may be missing beside the other values.
        short: One-letter spelling.
        shown_default: How help words the default, where the value itself says little.
        values: What completion proposes.
        only_values: Nothing but these values may be given.
        more_values: Asked for further proposals when completion is wanted.
        aliases: Other names for it, read but not shown.
        deployment: Its value names a deployment, which completion knows.
    """

    name: str
    help: str
    kind: Kind = "text"
    default: Any = None
    metavar: str = ""
    repeat: bool = False
    required: bool = False
    needless: Callable[[Mapping[str, Any]], bool] | None = None
    short: str = ""
    shown_default: str = ""
    values: tuple[str, ...] = ()
    only_values: bool = False
    more_values: Callable[[], Iterable[str]] | None = None
    aliases: tuple[str, ...] = ()
    deployment: bool = False

    @property
    def proposals(self) -> list[str]:
        """All that completion proposes for its value."""
        return [*self.values, *(self.more_values() if self.more_values else ())]

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
        job: It names a job, which completion knows.
    """

    name: str
    help: str
    kind: Kind = "text"
    required: bool = True
    deployment: bool = False
    job: bool = False


HELP = Option("help", "print this and do nothing else", kind="flag", short="h")


def option_of(info: ParameterInfo, **more: Any) -> Option:
    """The option that sets a described parameter; ``more`` are attributes of the option."""
    repeat = info.kind is list
    usual: dict[str, Any] = {
        "help": phrase(info.help),
        "kind": _KINDS.get(info.items if repeat else info.kind, "text"),
        "default": None if repeat else info.default,
        "repeat": repeat,
        "values": info.choices,
        "only_values": bool(info.choices),
        "aliases": info.aliases,
    }
    return Option(info.name, **{**usual, **more})


def phrase(sentence: str) -> str:
    """A sentence as part of a list: no full stop, and a small letter where it begins with an
    ordinary word."""
    first, _, _ = sentence.partition(" ")
    if len(first) == 1 or first[1:].islower():
        sentence = sentence[0].lower() + sentence[1:]
    return sentence.removesuffix(".")


def describe_parameter(info: ParameterInfo) -> tuple[str, str]:
    """The row of an engine's parameter in the help."""
    value = "|".join(info.choices)
    if not value or len(info.name) + len(value) + 7 > LEFT_WIDTH:
        value = "NAME" if info.choices else _VALUES[info.kind]
    plain = info.kind is bool or value == "|".join(info.choices) or info.accepted == "a text"
    facts = [] if plain else [info.accepted]
    if info.unit:
        facts.append(f"in {info.unit}")
    if info.default not in (None, "", (), [], {}):
        facts.append(f"default {shown_value(info.default)}")
    if info.aliases:
        facts.append(f"also {', '.join(info.aliases)}")
    return f"{info.name} = {value}", phrase(info.help) + (f" ({'; '.join(facts)})" if facts else "")


def shown_value(value: Any) -> str:
    """A value as the body of a cell has it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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
        return f" ({option.shown_default or 'required'})"
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
    lines = [*forms, "", summary, "", *_row_lines(rows)]
    if notes:
        lines += ["", *textwrap.wrap(notes, WIDTH)]
    return "\n".join(lines)


def rows_text(title: str, rows: list[tuple[str, str]]) -> str:
    """A titled part of a help."""
    return "\n".join([title, "", *_row_lines(rows)])


def _row_lines(rows: list[tuple[str, str]]) -> list[str]:
    width = min(LEFT_WIDTH, max((len(left) for left, _ in rows), default=0) + 4)
    lines = []
    for left, right in rows:
        first, *more = textwrap.wrap(right, WIDTH - width)
        if len(left) + 4 > width:
            lines.append(f"  {left}")
            left = ""
        lines.append(f"  {left}".ljust(width) + first)
        lines += [" " * width + line for line in more]
    return lines
