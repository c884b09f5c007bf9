"""``!if`` and what it guards; what a condition says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from byzer_lab.sql.language.places import ScriptError, position_in
from byzer_lab.sql.language.statements import Branch, Command, If, Quoting, Statement, Text
from byzer_lab.sql.language.tokens import Kind, Token, tokenize

WORDS = ("if", "elif", "then", "else", "fi")


def nested(statements: Iterable[Statement], script: str) -> tuple[Statement, ...]:
    """Statements with what stands between ``!if`` and ``!fi`` put into one.

    Raises:
        ScriptError: An ``!if`` without ``!fi``, or one of the others without ``!if``.
    """
    stack: list[_Open] = []
    top: list[Statement] = []
    for statement in statements:
        body = stack[-1].body if stack else top
        word = statement.name.value if isinstance(statement, Command) else ""
        if word not in WORDS:
            body.append(statement)
            continue
        assert isinstance(statement, Command)
        if word == "if":
            stack.append(_Open(statement, script))
            continue
        if not stack:
            raise ScriptError(
                f"`!{word}` stands without an `!if` before it",
                statement.at,
                "Write !if '''condition'''; ... !else; ... !fi;",
                script,
            )
        stack[-1].go_on(word, statement)
        if word == "fi":
            done = stack.pop().closed(statement)
            (stack[-1].body if stack else top).append(done)
    if stack:
        raise ScriptError(
            "this `!if` is never closed", stack[-1].start.at, "Write !fi; at its end.", script
        )
    return tuple(top)


class _Open:
    """An ``!if`` that is being read."""

    def __init__(self, start: Command, script: str) -> None:
        self.start, self._script = start, script
        self._branches: list[Branch] = []
        self._command = start
        self._condition: Text | None = self._read(start)
        self.body: list[Statement] = []

    def go_on(self, word: str, command: Command) -> None:
        """Read ``!elif``, ``!then``, ``!else`` or ``!fi``."""
        if word == "then":
            if self.body or self._condition is None:
                raise self._error("`!then` stands behind a condition only", command)
            return
        if word == "fi":
            return
        if self._condition is None:
            raise self._error(f"`!{word}` stands behind the `!else` of this `!if`", command)
        self._close_branch()
        self._command = command
        self._condition = self._read(command) if word == "elif" else None
        self.body = []

    def closed(self, end: Command) -> If:
        """The whole statement."""
        otherwise: tuple[Statement, ...] = ()
        if self._condition is None:
            otherwise = tuple(self.body)
        else:
            self._close_branch()
        start = self.start
        first = _offset(self._script, start)
        last = _offset(self._script, end) + len(end.source)
        return If(start.at, self._script[first:last], tuple(self._branches), otherwise)

    def _close_branch(self) -> None:
        assert self._condition is not None
        self._branches.append(Branch(self._condition, tuple(self.body), self._command.at))

    def _read(self, command: Command) -> Text:
        if not command.arguments:
            raise self._error(f"`!{command.name}` has no condition", command)
        if len(command.arguments) == 1:
            return command.arguments[0]
        return Text(command.text, command.arguments[0].at, Quoting.NONE)

    def _error(self, problem: str, command: Command) -> ScriptError:
        hint = "Write !if '''condition'''; ... !elif '''condition'''; ... !else; ... !fi;"
        return ScriptError(problem, command.at, hint, self._script)


def _offset(script: str, statement: Statement) -> int:
    lines = script.split("\n")[: statement.at.line - 1]
    return sum(len(line) + 1 for line in lines) + statement.at.column - 1


@dataclass(frozen=True)
class Step:
    """A query of a condition whose value is given a name.

    Attributes:
        query: Spark SQL with ``:name`` in it.
        name: Without the colon.
    """

    query: str
    name: str


@dataclass(frozen=True)
class Condition:
    """A condition.

    Attributes:
        steps: What is asked first, in order.
        expression: The condition: Spark SQL with ``:name`` in it.
    """

    steps: tuple[Step, ...]
    expression: str


_AS = re.compile(r"\bas\s*$", re.I)


def read_condition(text: str) -> Condition:
    """``select count(*) from t as :n; :n > 1`` into its steps and its expression.

    Raises:
        ScriptError: There is no expression, or a step has no name. Places count in ``text``.
    """
    parts: list[tuple[int, list[Token]]] = [(0, [])]
    for token in tokenize(text):
        if token.is_mark(";"):
            parts.append((token.end, []))
        elif token.kind is not Kind.COMMENT:
            parts[-1][1].append(token)
    filled = [tokens for _, tokens in parts if tokens]
    if not filled:
        raise ScriptError("the condition is empty", position_in(text, 0), script=text)
    steps = tuple(_step(text, tokens) for tokens in filled[:-1])
    last = filled[-1]
    if last[0].is_word("select", "with") and _named(text, last):
        step = _step(text, last)
        return Condition((*steps, step), f":{step.name}")
    return Condition(steps, text[last[0].start : last[-1].end])


def _named(text: str, tokens: list[Token]) -> bool:
    return (
        len(tokens) > 2
        and tokens[-1].kind is Kind.WORD
        and tokens[-2].is_mark(":")
        and _AS.search(text[: tokens[-2].start]) is not None
    )


def _step(text: str, tokens: list[Token]) -> Step:
    if not _named(text, tokens):
        raise ScriptError(
            "a query of a condition has no name",
            position_in(text, tokens[0].start),
            "Write select ... as :name;",
            text,
        )
    query = text[tokens[0].start : tokens[-2].start]
    return Step(_AS.sub("", query).strip(), tokens[-1].text)


def names_of(text: str) -> list[str]:
    """The names that stand as ``:name`` in SQL, outside of quotes."""
    return list(dict.fromkeys(name.text for _, name in _places(text)))


def bind(text: str, literal: Callable[[str], str]) -> str:
    """SQL with each ``:name`` outside of quotes replaced.

    Args:
        text: The SQL.
        literal: Gives the SQL of a name's value.
    """
    parts, end = [], 0
    for mark, name in _places(text):
        parts.append(text[end : mark.start] + literal(name.text))
        end = name.end
    return "".join([*parts, text[end:]])


def _places(text: str) -> list[tuple[Token, Token]]:
    tokens = tokenize(text)
    return [
        (mark, name)
        for before, mark, name in zip([None, *tokens], tokens, tokens[1:], strict=False)
        if mark.is_mark(":")
        and name.kind is Kind.WORD
        and name.start == mark.end
        and not (before is not None and before.is_mark(":"))
    ]
