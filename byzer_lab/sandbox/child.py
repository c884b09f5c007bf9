"""Runs the code. Everything here happens in a process that has given up its rights."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import errno
import inspect
import json
import linecache
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from byzer_lab.sandbox.values import Record, decode, to_json

NAME = "<generated>"
"""The file's name of the code, in tracebacks."""

MOST_LINES = 40

RESULT, REQUEST = 3, 4
"""The descriptors of the pipes for the answer and with the request."""


def answer() -> None:
    """Wait for the request, run it, write what it gave, as JSON, to the pipe; end the process.

    The request is JSON: ``source``, ``function`` (``None``: the code only), ``args``, ``kwargs``
    and ``classes``, ``enums``: names that the code may use without defining them.
    """
    with open(REQUEST, "rb") as pipe:
        request = pipe.read()
    if not request:
        os._exit(0)  # nobody asks any more
    sys.stdout = sys.stderr = open(  # noqa: SIM115 (open to the end)
        1, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False
    )
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    no_memory = b'{"error": "The code ran out of memory.", "limit": "memory"}'
    try:
        written = _run(json.loads(request)).encode("ascii")
    except MemoryError:  # once more, while the error was written down
        written = no_memory
    with contextlib.suppress(Exception):  # the code may have closed or replaced it
        sys.stdout.flush()
    view = memoryview(written)
    while view:
        view = view[os.write(RESULT, view) :]
    os._exit(0)


def _run(request: dict[str, Any]) -> str:
    source: str = request["source"]
    linecache.cache[NAME] = (len(source), None, source.splitlines(keepends=True), NAME)
    space: dict[str, Any] = {"__name__": "__generated__", "__file__": NAME}
    space |= {name: _record_maker(name, fields) for name, fields in request["classes"].items()}
    space |= {
        name: enum.Enum(name, list(members.items())) for name, members in request["enums"].items()
    }
    try:
        # classes of annotations are the caller's: they are not looked up here
        exec(compile(source, NAME, "exec", annotations.compiler_flag), space)
        value = None
        if request["function"] is not None:
            value = _call(space, request)
    except BaseException as error:
        return json.dumps(_said(error))
    try:
        return f'{{"value": {to_json(value)}}}'
    except Exception as error:
        sentence = f"The function returned what JSON can't hold: {_words(error)}."
        return json.dumps({"error": sentence})


def _call(space: dict[str, Any], request: dict[str, Any]) -> Any:
    function = space.get(request["function"])
    if not callable(function):
        raise NameError(f"the code defines no function {request['function']}")
    args = [decode(item) for item in request["args"]]
    kwargs = {name: decode(item) for name, item in request["kwargs"].items()}
    value = function(*args, **kwargs)
    if inspect.iscoroutine(value):
        value = asyncio.run(value)
    if inspect.isgenerator(value):
        value = list(value)
    return value


def _record_maker(name: str, fields: list[str]) -> Callable[..., Record]:
    def make(*args: Any, **kwargs: Any) -> Record:
        if len(args) > len(fields):
            raise TypeError(f"{name} has {len(fields)} fields, not {len(args)}")
        return Record(zip(fields, args, strict=False), **kwargs)

    make.__name__ = make.__qualname__ = name
    return make


def _said(error: BaseException) -> dict[str, Any]:
    """An exception as a sentence, and the lines of the code that led to it."""
    limit = None
    if isinstance(error, MemoryError):
        limit = "memory"
    elif isinstance(error, OSError) and error.errno == errno.EFBIG:
        limit = "file"
    elif type(error) is RuntimeError and error.args == ("can't start new thread",):
        limit = "threads"  # their stacks have filled the address space
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == NAME
    ]
    lines = "".join(traceback.format_list(frames)).splitlines()
    if len(lines) > MOST_LINES:
        half = MOST_LINES // 2
        lines = [*lines[:half], f"  ... {len(lines) - MOST_LINES} more lines ...", *lines[-half:]]
    if isinstance(error, SyntaxError) and error.filename == NAME:
        sentence = f"The code is no Python: {error.msg} (line {error.lineno})."
    else:
        sentence = f"The code failed with {_words(error)}"
    return {"error": sentence, "traceback": "\n".join(lines), "limit": limit}


def _words(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception_only(error)).strip()[:2000]
    except BaseException:  # its own __str__ is part of the code
        return type(error).__name__
