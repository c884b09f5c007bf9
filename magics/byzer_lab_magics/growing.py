"""An object on its way into the page: one tree that is updated while the model writes."""

from __future__ import annotations

from typing import Any

from byzer_lab_magics.show import in_notebook, show, update
from byzer_lab_magics.stream import Paced
from byzer_lab_magics.tree import tree


class GrowingTree(Paced):
    """The tree. In a terminal, which can't update it, only the whole object is printed.

    Args:
        shell: IPython's shell.
    """

    def __init__(self, shell: Any) -> None:
        super().__init__()
        self._notebook = in_notebook(shell)
        self._display_id = ""

    def grow(self, value: Any) -> None:
        """Show what has come, at once or with what comes next."""
        if self._notebook and self._due():
            self._put(value, {})

    def end(self, value: Any, metadata: dict[str, Any]) -> None:
        """Show the whole object, and keep facts beside it in the notebook."""
        if self._notebook:
            self._put(value, metadata)
        else:
            print(tree(value)["text/plain"])

    def _put(self, value: Any, metadata: dict[str, Any]) -> None:
        bundle = tree(value)
        if self._display_id:
            update(bundle, self._display_id, metadata)
        else:
            self._display_id = self._new_id()
            show(bundle, metadata, self._display_id)
        self._updated(len(bundle["text/html"]))
