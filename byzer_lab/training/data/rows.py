"""Rows as they were read, what a bad one is, and what a good one becomes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

_EXCERPT = 120


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes:
        number: Its place among all rows of the job, from 1.
        file: Name of its file.
        line: Its line in the file, from 1; ``None`` where the file has none.
        value: What stands there.
        broken: Why it can't be read, where it can't.
    """

    number: int
    file: str
    line: int | None
    value: Any
    broken: str | None = None


@dataclass(frozen=True)
class Problem:
    """Why a row can't be trained on.

    Attributes:
        row: Number of the row, from 1.
        file: Name of its file.
        line: Its line there.
        column: Path to the place, such as ``messages[2].content``; empty: the whole row.
        code: ``bad_json``, ``unknown_format``, ``missing_field``, ``wrong_type``,
            ``empty_answer``, ``bad_role``, ``role_order``, ``no_assistant_turn``,
            ``template_refuses`` or ``fully_masked``.
        message: One sentence.
        excerpt: The place's beginning.
    """

    row: int
    file: str
    line: int | None
    column: str
    code: str
    message: str
    excerpt: str

    def __str__(self) -> str:
        line = "" if self.line is None else f", line {self.line}"
        place = f", {self.column}" if self.column else ""
        return f"row {self.row} ({self.file}{line}){place}: {self.message}"


class BadRow(Exception):
    """Raised where a row is read; see :class:`Problem` for the arguments."""

    def __init__(self, column: str, code: str, message: str, value: Any = None) -> None:
        super().__init__(message)
        self.column = column
        self.code = code
        self.message = message
        self.value = value

    def of(self, row: Row | Example) -> Problem:
        """With the row that it is about."""
        value = self.value
        if value is None and isinstance(row, Row):
            value = row.value
        number = row.number if isinstance(row, Row) else row.row
        return Problem(
            number, row.file, row.line, self.column, self.code, self.message, excerpt(value or "")
        )


@dataclass(frozen=True)
class Example:
    """A good row, in the one form that is trained on.

    Attributes:
        row: Its number.
        messages: A conversation, as chat templates take it; ``None`` where it is plain text.
        tools: What the assistant may call there.
        prompt: Plain text that is not trained on.
        text: Plain text that is.
        chosen: Of a preference: the turns after ``messages`` that are better, or the better text.
        rejected: The worse ones.
        file: Name of the file that it came from.
        line: Its line there.
    """

    row: int
    messages: list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    prompt: str = ""
    text: str = ""
    chosen: Any = None
    rejected: Any = None
    file: str = ""
    line: int | None = None

    def to_json(self) -> str:
        """One line; what is empty is left out."""
        found = {name: value for name, value in vars(self).items() if value not in (None, "")}
        return json.dumps(found, ensure_ascii=False)

    def to_row(self) -> str:
        """One line that is a row again, of a format that can be read."""
        value: dict[str, Any] = {"messages": self.messages, "tools": self.tools}
        if self.chosen is not None:
            value = {"chosen": self.chosen, "rejected": self.rejected, "tools": self.tools}
            value["prompt"] = self.prompt or self.messages
        elif self.prompt:
            value = {"prompt": self.prompt, "completion": self.text}
        elif self.messages is None:
            value = {"text": self.text}
        if self.prompt and self.messages:
            value["system"] = self.messages[0]["content"]
        found = {name: part for name, part in value.items() if part is not None}
        return json.dumps(found, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Example:
        """What :meth:`to_json` wrote."""
        return cls(**json.loads(line))


@dataclass
class Findings:
    """What the check of all rows found.

    Attributes:
        rows: How many there are.
        formats: Format of each file.
        problems: Of the bad ones, in their order.
        duplicates: Good rows that say the same as one before; they are kept.
    """

    rows: int = 0
    formats: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    duplicates: int = 0

    @property
    def codes(self) -> dict[str, int]:
        """How many rows each code has."""
        found: dict[str, int] = {}
        for problem in self.problems:
            found[problem.code] = found.get(problem.code, 0) + 1
        return found


def excerpt(value: Any) -> str:
    """The beginning of a value, on one line."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(text.split())
    return text if len(text) <= _EXCERPT else f"{text[: _EXCERPT - 1]}…"
