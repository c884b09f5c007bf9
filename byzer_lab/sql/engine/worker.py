"""The thread that queries run on.

The caller's thread only waits, and so gets an interrupt of the cell at once: a query that runs on
the thread that owns the signals loses some of them.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

T = TypeVar("T")
WAIT_S = 0.05
"""How long one wait lasts; between two of them signals are seen on every platform."""
AGAIN_S = 0.1
"""An interrupt that comes before a query has really begun is lost: so often it is repeated."""


class Worker:
    """Runs one function at a time on a thread of its own.

    Args:
        name: Of the thread.
        interrupt: Makes the running function raise soon; called from the waiting thread.
    """

    def __init__(self, name: str, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = (
            queue.SimpleQueue()
        )
        self._running: Future[Any] | None = None
        self._lock = threading.Lock()
        # A daemon: a query that can't be stopped must not hold the process up.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Callable[[], T], tick: Callable[[], None] | None = None) -> T:
        """Run a function there and wait for it.

        Args:
            work: The function.
            tick: Called now and then while it runs.

        Raises:
            KeyboardInterrupt: The waiting thread was interrupted; the function has been stopped.
        """
        future: Future[T] = Future()
        self._jobs.put((future, work))
        try:
            while True:
                try:
                    return future.result(timeout=WAIT_S)
                except TimeoutError:
                    if future.done():
                        raise
                    if tick:
                        tick()
        except KeyboardInterrupt:
            if not future.cancel():
                self._interrupt_if_running(future)
                threading.Thread(target=self._insist, args=(future,), daemon=True).start()
            raise
        except CancelledError as error:
            raise KeyboardInterrupt from error

    def _interrupt_if_running(self, future: Future[Any]) -> None:
        """Interrupt a job, and no other."""
        with self._lock:
            if self._running is future:
                self._interrupt()

    def _insist(self, future: Future[Any]) -> None:
        while not future.done():
            time.sleep(AGAIN_S)
            self._interrupt_if_running(future)

    def close(self) -> None:
        """End the thread after what it is doing."""
        self._jobs.put(None)
        self._thread.join(5)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if not future.set_running_or_notify_cancel():
                continue
            self._begin(future)
            try:
                result = work()
            except BaseException as error:
                self._begin(None)
                future.set_exception(error)
            else:
                self._begin(None)
                future.set_result(result)

    def _begin(self, future: Future[Any] | None) -> None:
        with self._lock:
            self._running = future
