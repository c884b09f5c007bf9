"""Finds a function in what a model answered."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Callable
from typing import Any

from byzer_lab.errors import InvalidRequestError

FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
PYTHON = {"python", "py", "python3", ""}
NO_BLOCK = "No Python block found"


class NoFunctionError(Exception):
    """The answer holds no such function; its text is one sentence for the model and the caller."""


def name_of(function: Callable[..., Any] | str) -> str:
    """The name of the function that is to be written.

    Args:
        function: The empty function; or its signature as JSON or as Python.

    Raises:
        InvalidRequestError: The text has no name in it.
    """
    if not isinstance(function, str):
        name = getattr(function, "__name__", "")
        if not callable(function) or not str(name).isidentifier():
            raise InvalidRequestError(
                f"{function!r} can't be written by a model: it must be a function with a name."
            )
        return str(name)
    try:
        name = json.loads(function)["name"]
    except (ValueError, TypeError, KeyError):
        found = re.search(r"\bdef\s+(\w+)\s*\(", function)
        name = found[1] if found else ""
    if not isinstance(name, str) or not name.isidentifier():
        raise InvalidRequestError(
            f"impl_func is a text without a function's name: {function[:80]!r}. Pass a function, "
            'JSON with "name", or a line with "def".'
        )
    return name


def code_in(answer: str, name: str) -> str:
    """The code of an answer: the last of its Python blocks that defines the function, or all of it.

    Args:
        answer: What the model wrote.
        name: The function.

    Raises:
        NoFunctionError: There is none.
    """
    blocks = [text for language, text in FENCE.findall(answer) if language.lower() in PYTHON]
    fault = f"{NO_BLOCK}: the answer is no Python code"
    for text in [*reversed(blocks), answer]:
        code = textwrap.dedent(text).strip()
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            if text is not answer:
                line = getattr(error, "lineno", None)
                where = f" in line {line}" if line else ""
                fault = f"the code is no Python: {getattr(error, 'msg', error)}{where}"
            continue
        if any(_defines(step, name) for step in tree.body):
            return code + "\n"
        if text is not answer or not blocks:
            fault = f"{NO_BLOCK} that defines the function {name}"
    raise NoFunctionError(fault)


def _defines(step: ast.stmt, name: str) -> bool:
    if isinstance(step, ast.FunctionDef | ast.AsyncFunctionDef):
        return step.name == name
    if isinstance(step, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == name for target in step.targets)
    return False
