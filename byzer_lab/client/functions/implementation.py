"""A function that a model wrote, and how it is run."""

from __future__ import annotations

import html
import inspect
import json
import linecache
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from byzer_lab.client.apart import run_apart
from byzer_lab.client.functions.names import Names
from byzer_lab.client.typed.kinds import AnswerKind, UnfitError
from byzer_lab.errors import ByzerLabError
from byzer_lab.sandbox.limits import Limits, Outcome
from byzer_lab.sandbox.sandbox import shared
from byzer_lab.sandbox.values import to_json

HERE = "<generated, unsafe>"


class GeneratedCodeError(ByzerLabError):
    """A function that a model wrote failed, or no model wrote one; the sentence says why."""

    code = "generated_code"
    status = 502


@dataclass(frozen=True)
class Ran:
    """One run: the value, or in ``reason`` why there is none; ``stdout``: what it printed."""

    value: Any = None
    reason: str = ""
    stdout: str = ""


@dataclass(frozen=True, eq=False, repr=False)
class Implementation:
    """The function; calling it runs it, in the sandbox unless ``unsafe``.

    Attributes:
        name: Of the function.
        source: Its code, with the imports and helpers that the model wrote.
        kind: What it returns.
        names: What it may refer to.
        limits: Of a run; ``None``: the sandbox's own.
        unsafe: It runs in this process, with all of its rights.
    """

    name: str
    source: str
    kind: AnswerKind
    names: Names = field(default_factory=Names)
    limits: Limits | None = None
    unsafe: bool = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it.

        Raises:
            GeneratedCodeError: It raised, was stopped, or returned something else.
        """
        return self.value_of(self.run(args, kwargs))

    def value_of(self, ran: Ran) -> Any:
        """The value of a run of it.

        Raises:
            GeneratedCodeError: There is none.
        """
        if ran.reason:
            raise GeneratedCodeError(f"The function {self.name} failed. {ran.reason}")
        return ran.value

    def run(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Ran:
        """Run it; what goes wrong is in the answer.

        Raises:
            InvalidRequestError: An argument can't go into the sandbox.
            SandboxError: This machine has no sandbox.
        """
        if self.unsafe:
            return self._here(args, kwargs or {})
        outcome = shared().run(
            self.source,
            self.name,
            args,
            kwargs,
            limits=self.limits,
            classes=self.names.classes,
            enums=self.names.enums,
        )
        return self._read(outcome)

    def _read(self, outcome: Outcome) -> Ran:
        if outcome.error is not None:
            return Ran(None, outcome.reason, outcome.stdout)
        try:
            return Ran(self._value(outcome.value), "", outcome.stdout)
        except UnfitError as error:
            return Ran(None, f"It returned no {self.kind.name}: {error}.", outcome.stdout)

    def _value(self, data: Any) -> Any:
        """The value of what it returned as data; a model may have written it as JSON itself."""
        try:
            return self.kind.read(data)
        except UnfitError:
            if not isinstance(data, str):
                raise
            try:
                written = json.loads(data)
            except ValueError:
                written = None
            if written is None:
                raise
            return self.kind.read(written)

    def _here(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Ran:
        """Run it in this process, whose output is the caller's own."""
        lines = self.source.splitlines(keepends=True)
        linecache.cache[HERE] = (len(self.source), None, lines, HERE)
        space: dict[str, Any] = {**self.names.own, "__name__": "__generated__"}
        try:
            from_caller = annotations.compiler_flag  # classes of annotations are not looked up
            exec(compile(self.source, HERE, "exec", from_caller), space)
            value = space[self.name](*args, **kwargs)
            if inspect.iscoroutine(value):
                value = run_apart(value)
            return Ran(self._value(json.loads(to_json(value))))
        except UnfitError as error:
            return Ran(None, f"It returned no {self.kind.name}: {error}.")
        except Exception as error:
            return Ran(None, f"The code failed with {type(error).__name__}: {error}")

    @property
    def place(self) -> str:
        """Where it runs."""
        return "in this process" if self.unsafe else "in the sandbox"

    def __repr__(self) -> str:
        return f"<function {self.name}, written by a model, runs {self.place}>"

    def _repr_html_(self) -> str:
        title = f"<code>{html.escape(self.name)}</code>, written by a model, runs {self.place}"
        return folded(title, self.source)


def folded(title: str, source: str) -> str:
    """Code as HTML, folded.

    Args:
        title: HTML.
        source: The code.
    """
    code = html.escape(source)
    return f"<details><summary>{title}</summary><pre><code>{code}</code></pre></details>"
