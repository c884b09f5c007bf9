"""``!name arguments``: reading them, and filling the texts of macros with them."""

from __future__ import annotations

import itertools
import json
import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from byzer_lab.sql.language.options import text_of
from byzer_lab.sql.language.places import ScriptError, position_in
from byzer_lab.sql.language.statements import Command, Quoting, Text
from byzer_lab.sql.language.tokens import Kind, Token, Tokens, quoted, token_at, tokenize

_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"--(?=\s|$)[^\n]*|/\*(?=\s).*?\*/", re.S)
_BARE = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`|[^\s;'"`])+""", re.S)
_KEY = re.compile(r"-[^\W\d]\w*")
_HOLE = re.compile(r"\{(\d*)(?::([^{}]*))?\}")
_NAMED = re.compile(r"\$\{(\w+)\}")
_NEXT = re.compile(r"""next\(\s*["']?(\w+)["']?\s*(?:,(.*))?\)""")


def read_command(tokens: Tokens, start: int) -> Command:
    """A command; its ``!`` is taken already.

    Args:
        tokens: Where to read.
        start: Where the ``!`` stands.
    """
    token = tokens.peek()
    if token is None or token.kind not in (Kind.WORD, Kind.BACK):
        raise tokens.error("expected the name of a command behind `!`", "For example: !show tables")
    tokens.take()
    name = text_of(tokens, token)
    text, end = tokens.text, token.end
    arguments: list[Text] = []
    offset = end
    while offset < len(text) and text[offset] != ";":
        if skipped := _SPACE.match(text, offset) or _COMMENT.match(text, offset):
            offset = skipped.end()
            continue
        argument, offset = _argument(text, offset)
        arguments.append(argument)
        end = offset
    tokens.jump(offset)
    tokens.take()  # the semicolon
    written = text[token.end : end].strip()
    at = position_in(text, start)
    return Command(at, text[start:end], name, tuple(arguments), written)


def _argument(text: str, start: int) -> tuple[Text, int]:
    at = position_in(text, start)
    if text[start] in "'\"`":
        token = token_at(text, start)
        quoting = {Kind.BLOCK: Quoting.BLOCK, Kind.BACK: Quoting.BACK}
        return Text(token.value, at, quoting.get(token.kind, Quoting.STRING)), token.end
    bare = _BARE.match(text, start)
    assert bare is not None  # the character is no space, no quote and no semicolon
    return Text(bare[0], at, Quoting.NONE), bare.end()


@dataclass(frozen=True)
class Arguments:
    """The arguments of a command by their names.

    Attributes:
        plain: Those that stand alone, in their order; ``_`` is left out.
        named: Of ``-key value`` and ``key value`` behind ``named``, by the key without ``-``.
    """

    plain: tuple[str, ...]
    named: dict[str, str]


def named(arguments: Sequence[Text]) -> Arguments:
    """``!command a b _ -path x -tableName y`` into ``("a", "b")`` and ``{"path": "x", ...}``."""
    plain: list[str] = []
    found: dict[str, str] = {}
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        bare = argument.quoting is Quoting.NONE
        if bare and _KEY.fullmatch(argument.value):
            flag = not rest or (
                rest[0].quoting is Quoting.NONE and _KEY.fullmatch(rest[0].value) is not None
            )
            found[argument.value[1:]] = "true" if flag else rest.pop(0).value
        elif not (bare and argument.value == "_"):
            plain.append(argument.value)
    return Arguments(tuple(plain), found)


def expand(body: str, command: Command) -> str:
    """The text of a macro, filled with the arguments of its call: a script to be read.

    Inside quotes of the body an argument is data: it can't end them. Elsewhere it is text of the
    script.

    Args:
        body: ``{0}`` is the first argument, ``{}`` the next one, ``{1:text}`` the second or a
            text, ``{1:next(key,text)}`` what stands behind the argument ``key``, ``{:all}`` all
            of them as JSON. In a call that begins with ``_``, ``${key}`` is what stands behind
            ``-key``.
        command: The call.

    Raises:
        ScriptError: An argument that the body needs is missing.
    """
    values = [argument.value for argument in command.arguments]
    if values[:1] == ["_"]:
        by_name = named(command.arguments).named
        return in_quotes_too(
            body, lambda text: _NAMED.sub(lambda hole: by_name.get(hole[1], hole[0]), text)
        )
    turn = itertools.count()

    def filled(hole: re.Match[str]) -> str:
        number, default = hole[1], hole[2]
        if not number and default == "all":
            return json.dumps(values, ensure_ascii=False)
        if not number and default is not None:
            return hole[0]
        place = int(number) if number else next(turn)
        if default is not None and (after := _NEXT.fullmatch(default.strip())):
            if after[1] in values[:-1]:
                return values[values.index(after[1]) + 1]
            return _default(after[2] or "")
        if place < len(values):
            return values[place]
        if default is not None:
            return _default(default)
        were = "1 was" if len(values) == 1 else f"{len(values)} were"
        raise ScriptError(
            f"`!{command.name}` needs an argument number {place + 1}, and {were} given",
            command.at,
            f"A macro writes {{{place}:text}} for one that may be left out.",
        )

    return in_quotes_too(body, lambda text: _HOLE.sub(filled, text))


def _default(text: str) -> str:
    text = text.strip().strip("\"'")
    return uuid.uuid4().hex if text == "uuid()" else text


def in_quotes_too(script: str, fill: Callable[[str], str]) -> str:
    """Fill the texts of a script, so that what is filled in can't end the quotes around it.

    Args:
        script: Any script.
        fill: Changes a text: the value of one in quotes, or what stands between them.
    """
    parts: list[str] = []
    end = 0
    for token in tokenize(script):
        if token.kind not in (Kind.STRING, Kind.BLOCK, Kind.BACK, Kind.COMMENT):
            continue
        parts.append(fill(script[end : token.start]))
        parts.append(token.text if token.kind is Kind.COMMENT else _refilled(token, fill))
        end = token.end
    parts.append(fill(script[end:]))
    return "".join(parts)


def _refilled(token: Token, fill: Callable[[str], str]) -> str:
    value = token.value
    filled = fill(value)
    if filled == value:
        return token.text
    if token.kind is Kind.BACK:
        return "`" + filled.replace("`", "``") + "`"
    if token.kind is Kind.BLOCK and "'''" not in filled and not filled.endswith("'"):
        return f"'''{filled}'''"
    return quoted(filled)
