"""Names in a magic's line that stand for objects of the notebook."""

from __future__ import annotations

import ast
from difflib import get_close_matches
from typing import Any

from IPython.core.error import UsageError

from byzer_lab.errors import describe


def looked_up(shell: Any, option: str, expression: str) -> Any:
    """What an expression such as ``Story`` or ``list[Story]`` is in the notebook.

    Args:
        shell: IPython's shell.
        option: The option that it stands in, for messages.
        expression: Python, as the user wrote it.

    Raises:
        UsageError: It is no expression, a name in it is not defined, or it fails.
    """
    try:
        tree = ast.parse(expression.strip(), mode="eval")
    except SyntaxError:
        raise UsageError(f"--{option} {expression}: this is no Python expression.") from None
    import builtins

    for node in ast.walk(tree):
        known = isinstance(node, ast.Name) and (
            node.id in shell.user_ns or hasattr(builtins, node.id)
        )
        if isinstance(node, ast.Name) and not known:
            names = [name for name in shell.user_ns if not name.startswith("_")]
            close = get_close_matches(node.id, names, n=3)
            hint = f"; did you mean {' or '.join(close)}?" if close else "."
            raise UsageError(
                f"--{option} {expression}: {node.id!r} is not defined in this notebook{hint}"
            )
    try:
        return shell.ev(expression.strip())
    except Exception as error:
        raise UsageError(f"--{option} {expression}: {describe(error)}") from None


def split_names(text: str) -> list[str]:
    """The expressions of a list with commas; those inside brackets don't part it."""
    parts, depth, start = [], 0, 0
    for place, char in enumerate(text):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    parts.append(text[start:])
    return [part.strip() for part in parts if part.strip()]
