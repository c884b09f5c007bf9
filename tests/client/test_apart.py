"""Asyncio on a thread of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from byzer_lab.client.apart import run_apart


async def sleeping(ended: threading.Event) -> None:
    try:
        await asyncio.sleep(30)
    finally:
        ended.set()


def test_results_and_errors_come_back() -> None:
    assert run_apart(asyncio.sleep(0, "done")) == "done"

    async def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run_apart(fail())


async def test_inside_a_running_loop() -> None:
    assert run_apart(asyncio.sleep(0, "done")) == "done"


def test_an_interrupt_cancels() -> None:
    ended = threading.Event()
    threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_apart(sleeping(ended))
    assert ended.wait(5)
    assert time.monotonic() - began < 5
