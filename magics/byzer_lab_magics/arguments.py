"""The line of a magic, read.

Options are spelt ``--worker_concurrency 4``, ``--worker-concurrency=4``; a wrong line is refused
with one sentence that names the nearest option.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

from IPython.core.error import UsageError

from byzer_lab_magics.options import (
    HELP,
    Kind,
    Option,
    Positional,
    describe_option,
    describe_positional,
    help_text,
)

# A word: bare characters and quoted stretches, such as --system="Be brief".
_WORD = re.compile(r"""(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+""")
_QUOTED = re.compile(r""""((?:\\.|[^"\\])*)"|'([^']*)'""")
_OPTION = re.compile(r"--?[A-Za-z]")


class HelpWanted(Exception):
    """``-h`` or ``--help`` stands in the line."""


@dataclass(frozen=True)
class _Word:
    raw: str
    start: int

    @property
    def text(self) -> str:
        return _QUOTED.sub(_unquote, self.raw)


def _unquote(match: re.Match[str]) -> str:
    double, single = match.groups()
    return re.sub(r'\\(["\\])', r"\1", double) if double is not None else str(single)


def _either(values: tuple[str, ...]) -> str:
    return " or ".join([", ".join(values[:-1]), values[-1]])


class Arguments:
    """What a magic accepts.

    Args:
        magic: Its name, without percent signs.
        summary: What it does, in one sentence.
        forms: How it is written, one line each.
        positionals: Words without dashes.
        options: Words with dashes.
        notes: What help says below the options.
    """

    def __init__(
        self,
        magic: str,
        summary: str,
        forms: list[str],
        positionals: list[Positional],
        options: list[Option],
        notes: str = "",
    ) -> None:
        self.magic = magic
        self.summary = summary
        self.forms = forms
        self.positionals = positionals
        self.options = options
        self.notes = notes
        self._by_name = {name: o for o in options for name in (o.name, *o.aliases)}
        self._by_short = {option.short: option for option in options if option.short}

    def parse(self, line: str) -> dict[str, Any]:
        """Read a whole line.

        Returns:
            The value of each positional and option, defaults included.

        Raises:
            UsageError: The line is wrong.
            HelpWanted: It asks for help.
        """
        values, given, _ = self._read(line, stop_at_text=False)
        return self._complete(values, given)

    def parse_leading(self, line: str) -> tuple[dict[str, Any], str]:
        """Read the options at the beginning of a line; the rest is text, untouched, but for
        quotes around all of it.

        Raises:
            UsageError: An option is wrong.
            HelpWanted: The line asks for help.
        """
        values, _, rest = self._read(line, stop_at_text=True)
        rest = _QUOTED.sub(_unquote, rest) if _QUOTED.fullmatch(rest) else rest
        return self._with_defaults(values), rest

    def given(self, line: str, name: str) -> Any:
        """The value of one option in a line that may be wrong or not whole yet; else its default.

        Args:
            line: The line.
            name: Of an option that takes a text.
        """
        return ([self._by_name[name].default, *self._values_of(line, name)])[-1]

    def gives(self, line: str, name: str) -> bool:
        """Whether a line that may be wrong or not whole yet gives this option a value."""
        return any(self._values_of(line, name))

    def _values_of(self, line: str, name: str) -> Iterator[str]:
        words = [word.text for word in self._words(line, strict=False)]
        for word, following in pairwise([*words, ""]):
            spelt, equals, rest = word.partition("=")
            if spelt.startswith("--") and spelt[2:].replace("-", "_") == name:
                value = rest if equals else following
                if value and (equals or not self._is_known_option(value)):
                    yield value

    def _read(self, line: str, *, stop_at_text: bool) -> tuple[dict[str, Any], list[str], str]:
        values: dict[str, Any] = {}
        given: list[str] = []
        words = self._words(line)
        only_text = False
        for word in words:
            if word.raw == "--" and not only_text:
                only_text = True
                if stop_at_text:
                    return values, given, line[word.start + 2 :].strip()
            elif only_text or not _OPTION.match(word.raw):
                if stop_at_text:
                    return values, given, line[word.start :].strip()
                given.append(word.text)
            else:
                self._take(word, words, values)
        return values, given, ""

    def _words(self, line: str, strict: bool = True) -> Iterator[_Word]:
        position = 0
        while True:
            while position < len(line) and line[position].isspace():
                position += 1
            if position == len(line):
                return
            match = _WORD.match(line, position)
            end = match.end() if match else position
            if end < len(line) and not line[end].isspace():
                # Only met by who asks for this word: text that follows the options is never read.
                if not strict or not _OPTION.match(line, position):
                    yield _Word(line[position:], position)
                if not strict:
                    return
                raise self._wrong(
                    "a quotation mark is not closed; put a text with an apostrophe into double "
                    "quotes"
                )
            yield _Word(line[position:end], position)
            position = end

    def _take(self, word: _Word, words: Iterator[_Word], values: dict[str, Any]) -> None:
        raw_name, equals, _ = word.raw.partition("=")
        option = self._find(raw_name)
        if option.kind == "flag":
            if equals:
                raise self._wrong(f"{option.spelling} takes no value")
            values[option.name] = True
            return
        if equals:
            text = word.text.partition("=")[2]
        else:
            following = next(words, None)
            if following is None or self._is_known_option(following.raw):
                raise self._wrong(f"{option.spelling} needs a value")
            text = following.text
        value = self._convert(option.spelling, option.kind, text)
        if option.only_values and value not in option.values:
            raise self._wrong(f"{option.spelling} wants {_either(option.values)}, not {text!r}")
        if option.repeat:
            values.setdefault(option.name, []).append(value)
        elif option.name in values:
            raise self._wrong(f"{option.spelling} is given twice")
        else:
            values[option.name] = value

    def _is_known_option(self, raw: str) -> bool:
        name = raw.partition("=")[0].removeprefix("--").replace("-", "_")
        return raw.startswith("--") and (name in self._by_name or name == "help")

    def _find(self, raw: str) -> Option:
        if raw in ("-h", "--help"):
            raise HelpWanted
        if raw.startswith("--"):
            option = self._by_name.get(raw[2:].replace("-", "_"))
        else:
            option = self._by_short.get(raw[1:])
        if option is None:
            spellings = [known.spelling for known in self.options]
            close = get_close_matches(raw.replace("-", "_").replace("__", "--", 1), spellings, n=1)
            hint = f"did you mean {close[0]}?" if close else "--help lists its options."
            raise UsageError(f"%{self.magic} has no option {raw}; {hint}")
        return option

    def _convert(self, what: str, kind: Kind, text: str) -> Any:
        readers: dict[Kind, tuple[Callable[[str], Any], str]] = {
            "integer": (int, "a whole number"),
            "number": (float, "a number"),
        }
        if kind not in readers:
            return text
        read, wanted = readers[kind]
        try:
            return read(text)
        except ValueError:
            raise self._wrong(f"{what} wants {wanted}, not {text!r}") from None

    def _complete(self, values: dict[str, Any], given: list[str]) -> dict[str, Any]:
        if len(given) > len(self.positionals):
            extra = given[len(self.positionals)]
            raise self._wrong(f"{extra!r} is one word too many; put a text with spaces into quotes")
        for index, positional in enumerate(self.positionals):
            name = positional.name.upper()
            if index < len(given):
                value = self._convert(name, positional.kind, given[index])
                if values.setdefault(positional.name, value) != value:
                    raise self._wrong(f"{name} is given twice, by its place and as an option")
            elif positional.required:
                raise self._wrong(f"{name} is missing; write {self.forms[0]}")
        for option in self.options:
            spared = option.needless is not None and option.needless(values)
            if option.required and option.name not in values and not spared:
                raise self._wrong(f"{option.spelling} is missing; write {self.forms[0]}")
        return self._with_defaults(values)

    def _with_defaults(self, values: dict[str, Any]) -> dict[str, Any]:
        for positional in self.positionals:
            values.setdefault(positional.name, None)
        for option in self.options:
            empty: Any = [] if option.repeat else option.default
            values.setdefault(option.name, False if option.kind == "flag" else empty)
        return values

    def _wrong(self, what: str) -> UsageError:
        return UsageError(f"%{self.magic}: {what}.")

    def help(self) -> str:
        """The text that ``--help`` prints."""
        rows = [*map(describe_positional, self.positionals), *map(describe_option, self.options)]
        return help_text(self.forms, self.summary, [*rows, describe_option(HELP)], self.notes)
