"""A completion matcher in IPython's shell, and its way out again."""

from __future__ import annotations

from typing import Any

from IPython.core.completer import context_matcher


class Matcher:
    """A matcher in one shell.

    Args:
        shell: IPython's shell.
        identifier: Its name among the shell's matchers.
    """

    def __init__(self, shell: Any, identifier: str) -> None:
        self._matchers = shell.Completer.custom_matchers
        # IPython marks matchers with attributes, which a bound method can't have.
        self._matcher = context_matcher(identifier=identifier)(lambda context: self.match(context))
        self._matchers.append(self._matcher)

    def undo(self) -> None:
        """Leave the shell as it was."""
        self._matchers.remove(self._matcher)

    def match(self, context: Any) -> dict[str, Any]:
        """What fits at the cursor."""
        raise NotImplementedError
