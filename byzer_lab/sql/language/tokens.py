"""A text into words, strings and marks; comments are kept apart.

The reader, the highlighting of cells and their completion use the same tokens.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from byzer_lab.sql.language.places import Position, ScriptError, position_in


class Kind(StrEnum):
    """What a token is."""

    WORD = "word"
    """Letters, digits, ``_``: keywords, names, numbers."""
    STRING = "string"
    """``'...'`` or ``"..."``."""
    BLOCK = "block"
    """``'''...'''``."""
    BACK = "back"
    """In back quotes."""
    TEMPLATE = "template"
    """``${...}`` outside of quotes."""
    MARK = "mark"
    """One other character."""
    COMMENT = "comment"


@dataclass(frozen=True)
class Token:
    """A piece of a text.

    Attributes:
        kind: What it is.
        text: As written.
        start: Number of its first character.
    """

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """Number of the character behind it."""
        return self.start + len(self.text)

    @property
    def value(self) -> str:
        """Without quotes and escapes."""
        if self.kind is Kind.BLOCK:
            return self.text[3:-3]
        if self.kind is Kind.BACK:
            return self.text[1:-1].replace("``", "`")
        if self.kind is Kind.STRING:
            return unescaped(self.text)
        return self.text

    def is_word(self, *words: str) -> bool:
        """It is one of these keywords (in lower case), in whatever case."""
        return self.kind is Kind.WORD and self.text.lower() in words

    def is_mark(self, mark: str) -> bool:
        """It is this character."""
        return self.kind is Kind.MARK and self.text == mark


_SPACE = re.compile(r"[\s\ufeff]+")
_COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.S)
_BLOCK = re.compile(r"'''.*?'''", re.S)
_STRINGS = {
    "'": re.compile(r"'(?:[^'\\]|\\.|'')*'", re.S),
    '"': re.compile(r'"(?:[^"\\]|\\.|"")*"', re.S),
    "`": re.compile(r"`(?:[^`]|``)*`", re.S),
}
_WORD = re.compile(r"\w+")
_TEMPLATE = re.compile(r"\$\{(?:[^{}'\"]|'[^']*'|\"[^\"]*\")*\}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def unescaped(text: str) -> str:
    """The value of a quoted string.

    ``\\n``, ``\\t``, ``\\r``, a quote or a backslash behind a backslash, and doubled quotes are
    escapes; every other backslash stays, as in ``"\\d+"``.
    """
    quote, body = text[0], text[1:-1]
    if "\\" not in body and quote not in body:
        return body

    def one(found: re.Match[str]) -> str:
        after = found[0][1:]
        if after in (quote, "'", '"', "\\"):
            return after
        return _ESCAPES.get(after, found[0])

    return re.sub(rf"\\.|{quote}{quote}", one, body, flags=re.S)


def quoted(value: str) -> str:
    """A value as a string of a script: :func:`unescaped` gives it back."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def tokenize(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """All tokens with comments, from ``start`` to before ``end``.

    Raises:
        ScriptError: A quote or a comment is never closed.
    """
    end = len(text) if end is None else end
    tokens = []
    while start < end:
        if space := _SPACE.match(text, start, end):
            start = space.end()
            continue
        token = token_at(text, start, end)
        tokens.append(token)
        start = token.end
    return tokens


def token_at(text: str, start: int, end: int | None = None) -> Token:
    """The token that begins at a character that is no space.

    Raises:
        ScriptError: See :func:`tokenize`.
    """
    end = len(text) if end is None else end
    first = text[start]
    if first in _STRINGS:
        return _quoted(text, start, end)
    if text.startswith(("--", "/*"), start):
        if comment := _COMMENT.match(text, start, end):
            return Token(Kind.COMMENT, comment[0], start)
        raise _open("a comment", "*/", text, start)
    if first == "$" and (template := _TEMPLATE.match(text, start, end)):
        return Token(Kind.TEMPLATE, template[0], start)
    if word := _WORD.match(text, start, end):
        return Token(Kind.WORD, word[0], start)
    return Token(Kind.MARK, first, start)


def _quoted(text: str, start: int, end: int) -> Token:
    quote = text[start]
    if text.startswith("'''", start) and (block := _BLOCK.match(text, start, end)):
        return Token(Kind.BLOCK, block[0], start)
    if found := _STRINGS[quote].match(text, start, end):
        return Token(Kind.BACK if quote == "`" else Kind.STRING, found[0], start)
    mark = "'''" if text.startswith("'''", start) else quote
    raise _open("a text in quotes" if quote != "`" else "a name in back quotes", mark, text, start)


def _open(what: str, mark: str, text: str, start: int) -> ScriptError:
    return ScriptError(
        f"{what} begins here and is never closed",
        position_in(text, start),
        f"Write {mark} at its end.",
        text,
    )


class Tokens:
    """The tokens of a script, read from the first to the last; comments are left out.

    Args:
        text: The script.
        start: Where to begin.
        end: Where it ends; default: the end of the text.
    """

    def __init__(self, text: str, start: int = 0, end: int | None = None) -> None:
        self.text = text
        self._end = len(text) if end is None else end
        self._next: Token | None = None
        self.offset = start
        """Number of the character behind the last token that was taken."""

    def peek(self) -> Token | None:
        """The next token, or ``None`` at the end."""
        if self._next is None:
            start = self.offset
            while start < self._end:
                if space := _SPACE.match(self.text, start, self._end):
                    start = space.end()
                    continue
                token = token_at(self.text, start, self._end)
                if token.kind is not Kind.COMMENT:
                    self._next = token
                    break
                start = token.end
        return self._next

    def take(self) -> Token | None:
        """The next token; the one behind it is next then."""
        token = self.peek()
        if token is not None:
            self.offset = token.end
            self._next = None
        return token

    def jump(self, offset: int) -> None:
        """Go on from a character."""
        self.offset = offset
        self._next = None

    def position(self, offset: int | None = None) -> Position:
        """The place of a character, or of the next token."""
        if offset is None:
            token = self.peek()
            offset = token.start if token else len(self.text[: self._end].rstrip())
        return position_in(self.text, offset)

    def error(self, problem: str, hint: str = "", offset: int | None = None) -> ScriptError:
        """An error that points to a character, or to the next token."""
        return ScriptError(problem, self.position(offset), hint, self.text)
