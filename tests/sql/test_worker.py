"""The thread that queries run on, and interrupts that come too early."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from byzer_lab.sql.engine.worker import Worker


def test_an_interrupt_before_the_query_has_begun_is_not_lost() -> None:
    stop, begun, heard = threading.Event(), threading.Event(), 0

    def interrupt() -> None:
        nonlocal heard
        heard += 1
        if begun.is_set():  # what came before is lost, as in DuckDB and Spark
            stop.set()

    def work() -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        begun.set()
        return stop.wait(20)

    worker = Worker("test", interrupt)
    with pytest.raises(KeyboardInterrupt):
        worker.run(work)
    assert worker.run(stop.is_set)  # waits until the first has ended
    told = heard
    assert told > 1
    assert worker.run(lambda: time.sleep(0.3)) is None
    assert heard == told  # the next one is left alone
    worker.close()


def test_what_has_not_begun_never_does() -> None:
    worker = Worker("test", lambda: None)
    done: list[int] = []
    gate = threading.Event()
    first = threading.Thread(target=worker.run, args=(gate.wait,))
    first.start()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        worker.run(lambda: done.append(1))
    gate.set()
    first.join()
    assert worker.run(lambda: len(done)) == 0
    worker.close()
