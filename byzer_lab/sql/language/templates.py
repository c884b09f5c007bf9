"""``${...}`` in the texts of statements, filled when a statement runs."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping

from byzer_lab.sql.language.dates import format_date
from byzer_lab.sql.language.places import START, ScriptError
from byzer_lab.sql.language.tokens import Kind, Token, tokenize

_TEMPLATE = re.compile(r"\$\{\s*((?:[^{}'\"]|'[^']*'|\"[^\"]*\")*?)\s*\}")
_CALL = re.compile(
    r"(?:date((?:\.(?:plus|minus)(?:Days|Weeks|Hours|Minutes)\(\d+\))*)\.toString|template\.get)"
    r"\((.*)\)",
    re.S,
)
_MOVE = re.compile(r"(plus|minus)(\w+)\((\d+)\)")
_ARGUMENT = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)')\s*(?:,|$)""")
_DAYS = {"theDayBeforeYesterday": -2, "yesterday": -1, "today": 0, "tomorrow": 1}
_ROUNDS = 10
"""How deep variables may stand in variables: one that holds itself must not go on for ever."""


def render(text: str, variables: Mapping[str, str], now: datetime.datetime | None = None) -> str:
    """A text with its templates filled; names that nobody knows stay as they are.

    Args:
        text: For example ``/data/${today}/*.csv``.
        variables: What ``set`` set. Templates in their values are filled as well.
        now: The time of ``today`` and of ``date.toString``; default: now, local.

    Raises:
        ScriptError: A call that can't be answered: ``date.toString`` with an unknown letter.
    """
    moment = now or datetime.datetime.now()
    for _ in range(_ROUNDS):
        filled = _TEMPLATE.sub(lambda found: _value(found, variables, moment), text)
        if filled == text:
            break
        text = filled
    return text


def render_query(
    text: str, variables: Mapping[str, str], now: datetime.datetime | None = None
) -> str:
    """The SQL of a query with its templates filled.

    Inside quotes of the query a value is data: quotes and backslashes in it are escaped, so it
    can't end the text around it. Elsewhere it is SQL.
    """
    parts: list[str] = []
    end = 0
    for token in tokenize(text):
        if token.kind not in (Kind.STRING, Kind.BACK, Kind.COMMENT, Kind.BLOCK):
            continue
        parts.append(render(text[end : token.start], variables, now))
        parts.append(_inside(token, variables, now))
        end = token.end
    parts.append(render(text[end:], variables, now))
    return "".join(parts)


def _inside(token: Token, variables: Mapping[str, str], now: datetime.datetime | None) -> str:
    if token.kind is Kind.COMMENT or "${" not in token.text:
        return token.text
    quote = token.text[0]
    if token.kind is Kind.BACK:
        return f"`{render(token.value, variables, now).replace('`', '``')}`"
    edge = 3 if token.kind is Kind.BLOCK else 1
    body = token.text[edge:-edge]
    if token.kind is Kind.BLOCK:
        body = body.replace("\\", "\\\\").replace("'", "\\'")

    def escaped(found: re.Match[str]) -> str:
        filled = render(found[0], variables, now)
        if filled == found[0]:
            return filled
        return filled.replace("\\", "\\\\").replace(quote, "\\" + quote)

    return quote + _TEMPLATE.sub(escaped, body) + quote


def names_in(text: str) -> list[str]:
    """The names in the templates of a text, in their order."""
    return list(dict.fromkeys(found[1] for found in _TEMPLATE.finditer(text)))


def _value(found: re.Match[str], variables: Mapping[str, str], now: datetime.datetime) -> str:
    name = found[1]
    if name in variables:
        return variables[name]
    if name in _DAYS:
        return (now + datetime.timedelta(days=_DAYS[name])).strftime("%Y-%m-%d")
    call = _CALL.fullmatch(name)
    if call is None:
        return found[0]
    arguments = _arguments(call[2])
    if arguments is None:
        raise ScriptError(
            f"`{found[0]}` can't be read", START, 'Its arguments are texts in quotes: "...", "..."'
        )
    if call[1] is not None:
        for way, unit, number in _MOVE.findall(call[1]):
            move = datetime.timedelta(**{unit.lower(): int(number)})
            now = now + move if way == "plus" else now - move
        try:
            return format_date(now, arguments[0] if arguments else "yyyy-MM-dd")
        except ValueError as error:
            raise ScriptError(f"`{found[0]}`: {error}", START) from None
    template = variables.get(arguments[0], "") if arguments else ""
    return re.sub(
        r"\{(\d+)\}",
        lambda hole: arguments[int(hole[1]) + 1] if int(hole[1]) + 1 < len(arguments) else hole[0],
        template,
    )


def _arguments(text: str) -> list[str] | None:
    values: list[str] = []
    while text.strip():
        found = _ARGUMENT.match(text)
        if found is None:
            return None
        values.append(found[1] if found[1] is not None else found[2])
        text = text[found.end() :]
    return values
