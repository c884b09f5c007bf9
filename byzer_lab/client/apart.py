"""Asyncio from synchronous code that may itself run inside an event loop, as a notebook's does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
WAKE_S = 0.1
"""A wait without an end sleeps through an interrupt that the system gave to another thread."""


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop and thread of its own. An interrupt of the caller cancels it.

    Args:
        work: What to run.

    Returns:
        What it returns; what it raises is raised here.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(work)
    ended = threading.Event()

    def run() -> None:
        try:
            loop.run_until_complete(asyncio.wait([task]))
        finally:
            ended.set()
            loop.close()

    # A daemon: after an interrupt nobody waits for its end.
    threading.Thread(target=run, name="byzer-lab requests", daemon=True).start()
    try:
        while not ended.wait(WAKE_S):
            pass
    except BaseException:
        with contextlib.suppress(RuntimeError):  # it has ended in this moment
            loop.call_soon_threadsafe(task.cancel)
        raise
    return task.result()
