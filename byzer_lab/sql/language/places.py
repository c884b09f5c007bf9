"""Where something stands in a script, and errors that point there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from byzer_lab.errors import InvalidRequestError

WIDTH = 96
"""Most characters of a line that an error shows."""


@dataclass(frozen=True, order=True)
class Position:
    """A place in a script.

    Attributes:
        line: From 1.
        column: From 1, in characters.
    """

    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}"

    def after(self, inner: Position) -> Position:
        """Where a place of a text that itself starts here is in the script."""
        if inner.line == 1:
            return Position(self.line, self.column + inner.column - 1)
        return Position(self.line + inner.line - 1, inner.column)


START = Position()
"""Where a text begins."""


def position_in(text: str, offset: int) -> Position:
    """The place of a character.

    Args:
        text: The script.
        offset: Number of the character, from 0; the end of the text at most.
    """
    start = text.rfind("\n", 0, offset) + 1
    return Position(text.count("\n", 0, offset) + 1, offset - start + 1)


class ScriptError(InvalidRequestError):
    """A script, or a query in it, that can't be read or run.

    Args:
        problem: One sentence without the place and without a full stop.
        at: Where.
        hint: One more sentence: what to do. Empty where the first says it.
        script: The text that ``at`` counts in: its line is shown with a caret below.

    Attributes:
        problem: As given.
        at: As given.
        hint: As given.
    """

    def __init__(self, problem: str, at: Position, hint: str = "", script: str = "") -> None:
        self.problem, self.at, self.hint = problem, at, hint
        place = str(at)
        parts = [f"{place[0].upper()}{place[1:]}: {problem.rstrip('.')}."]
        if hint:
            parts[0] += f" {hint}"
        if shown := _pointed(script, at):
            parts.append(shown)
        super().__init__("\n".join(parts), line=at.line, column=at.column)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.problem, self.at, self.hint, self.message)

    def shown_in(self, script: str) -> ScriptError:
        """The same with the line of a script; for an error that was raised without one."""
        return ScriptError(self.problem, self.at, self.hint, script)


def _rebuild(problem: str, at: Position, hint: str, message: str) -> ScriptError:
    error = ScriptError(problem, at, hint)
    error.message = message
    error.args = (message,)
    return error


def _pointed(script: str, at: Position) -> str:
    lines = script.split("\n")
    if not script.strip() or at.line > len(lines):
        return ""
    line = lines[at.line - 1].rstrip("\r").replace("\t", " ")
    column = min(at.column, len(line) + 1)
    start = max(0, column - WIDTH // 2) if len(line) > WIDTH else 0
    return f"  {line[start : start + WIDTH]}\n  {' ' * (column - 1 - start)}^"


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint with the known word that is closest; empty where none is close."""
    found = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"Did you mean `{found[0]}`?" if found else ""
