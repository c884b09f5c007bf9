"""Tab completion of the magics' options, of deployed models' names, and of what a body sets."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from IPython.core.completer import SimpleCompletion

from byzer_lab.errors import ByzerLabError
from byzer_lab.schema import ParameterInfo
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.connection import running_session
from byzer_lab_magics.matcher import Matcher
from byzer_lab_magics.options import Option
from byzer_lab_magics.parameters import body_candidates

WAIT_S = 0.2
"""Most that a Tab waits for the cluster."""
FRESH_S = 1.0
ONE_LINE = ("prompt", "llm_speak", "llm_draw")
"""Magics whose line form ends with a text."""


class Completion(Matcher):
    """The matcher in one shell.

    Args:
        shell: IPython's shell.
        magics: What each magic accepts.
        bodies: What the body below a magic's line may set, given the line, by magic.
        names: Asks for the names of deployments; default: the running cluster, if any.
    """

    def __init__(
        self,
        shell: Any,
        magics: list[Arguments],
        bodies: Mapping[str, Callable[[str], Sequence[ParameterInfo]]],
        names: Callable[[], list[str]] | None = None,
    ) -> None:
        self._bodies = bodies
        self._magics = {arguments.magic: arguments for arguments in magics}
        known = "|".join(self._magics)
        self._pattern = re.compile(rf"\s*(?:\w+\s*=\s*)?(%%?)({known})\s+(.*)$")
        self._names = CachedNames(names or deployment_names)
        self._jobs = CachedNames(job_names)
        super().__init__(shell, "byzer_lab")

    def match(self, context: Any) -> dict[str, Any]:
        """What fits at the cursor."""
        lines = context.full_text.split("\n")
        line = lines[context.cursor_line][: context.cursor_position]
        above = self._pattern.match(lines[0]) if context.cursor_line else None
        if above and above[1] == "%%" and above[2] in self._bodies:
            others = [*lines[1 : context.cursor_line], *lines[context.cursor_line + 1 :]]
            return self._match_body(self._bodies[above[2]], above[3], line, others)
        found = self._pattern.match(line)
        if not found:
            return {"completions": []}
        percent, magic, rest = found.groups()
        *before, fragment = rest.split(" ")
        arguments = self._magics[magic]
        one_line_text = magic in ONE_LINE and percent == "%"
        if fragment.startswith("-") and "=" not in fragment:
            return _found(_options(arguments, before, fragment), fragment)
        option = _awaiting(arguments, before, fragment)
        value = fragment.partition("=")[2] if fragment.startswith("-") else fragment
        if option is not None:
            candidates = self._names() if option.deployment else option.proposals
            # A path may be a file's as well, which IPython completes itself.
            return _found(candidates, value, alone=option.name != "model_path")
        index = _positional_index(arguments, before)
        named = arguments.positionals[index : index + 1]
        if not one_line_text and named and named[0].deployment:
            return _found(self._names(), fragment)
        if named and named[0].job:
            return _found(self._jobs(), fragment)
        return {"completions": []}

    @staticmethod
    def _match_body(
        parameters_in: Callable[[str], Sequence[ParameterInfo]],
        magic_line: str,
        line: str,
        others: list[str],
    ) -> dict[str, Any]:
        try:
            candidates, fragment = body_candidates(parameters_in(magic_line), line, others)
        except ByzerLabError:  # a Tab shows no errors; the cell will
            candidates, fragment = [], ""
        return {**_found(candidates, fragment), "suppress": True}


def _found(candidates: Iterable[str], fragment: str, *, alone: bool = True) -> dict[str, Any]:
    texts = [text for text in candidates if text.startswith(fragment)]
    return {
        "completions": [SimpleCompletion(text=text, type="byzer-lab") for text in texts],
        "matched_fragment": fragment,
        "suppress": alone and bool(texts),
    }


def _option(arguments: Arguments, word: str) -> Option | None:
    name = word.partition("=")[0].replace("-", "_").lstrip("_")
    return next((o for o in arguments.options if name in (o.name, o.short)), None)


def _options(arguments: Arguments, before: list[str], fragment: str) -> list[str]:
    given = {o.name for o in (_option(arguments, w) for w in before if w.startswith("-")) if o}
    spellings = [
        option.spelling for option in arguments.options if option.repeat or option.name not in given
    ]
    spellings.append("--help")
    if "-" in fragment[2:]:
        return [f"--{text[2:].replace('_', '-')}" for text in spellings]
    return spellings


def _awaiting(arguments: Arguments, before: list[str], fragment: str) -> Option | None:
    """The option whose value stands at the cursor."""
    word = fragment if fragment.startswith("-") else (before[-1] if before else "")
    if not word.startswith("-") or (word is not fragment and "=" in word):
        return None
    option = _option(arguments, word)
    return option if option is not None and option.kind != "flag" else None


def _positional_index(arguments: Arguments, before: list[str]) -> int:
    count = 0
    words = iter(word for word in before if word)
    for word in words:
        if not word.startswith("-"):
            count += 1
        elif "=" not in word:
            option = _option(arguments, word)
            if option is not None and option.kind != "flag":
                next(words, None)
    return count


def deployment_names() -> list[str]:
    """Names of the deployments of the running cluster, the ready ones first."""
    session = running_session()
    if session is None:
        return []
    records = session.gateway.state().deployments
    return [r.spec.name for r in sorted(records, key=lambda r: r.state != "ready")]


def job_names() -> list[str]:
    """Names of the jobs of the running cluster, the newest first."""
    session = running_session()
    if session is None:
        return []
    jobs = session.gateway.state().jobs
    return [record.spec.name for record in sorted(jobs, key=lambda r: -r.created_at)]


class CachedNames:
    """Names asked for on a thread, so that a slow cluster never holds the keyboard up.

    Args:
        ask: Gets them.
    """

    def __init__(self, ask: Callable[[], list[str]]) -> None:
        self._ask = ask
        self._names: list[str] = []
        self._asked_at = float("-inf")
        self._asking: threading.Thread | None = None

    def __call__(self) -> list[str]:
        """The names; those of last time where the cluster takes too long."""
        if time.monotonic() - self._asked_at < FRESH_S:
            return self._names
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self._refresh, daemon=True)
            self._asking.start()
        self._asking.join(WAIT_S)
        return self._names

    def _refresh(self) -> None:
        try:
            self._names = self._ask()
        except Exception:  # a Tab shows no errors; the cell will
            self._names = []
        self._asked_at = time.monotonic()
