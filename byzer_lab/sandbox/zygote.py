"""The warm process: a fresh interpreter with nothing in it, which forks a supervisor for each call.

It is started without the owner's environment and descriptors, and reads no request itself: neither
code nor arguments of an earlier call are in its memory when it forks for the next.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
from typing import Any

from byzer_lab.sandbox import scratch, seccomp
from byzer_lab.sandbox.confine import die_with
from byzer_lab.sandbox.libc import LIBC
from byzer_lab.sandbox.places import readable
from byzer_lab.sandbox.supervisor import serve

WARM = (
    *("calendar", "collections", "dataclasses", "datetime", "decimal", "enum", "functools"),
    *("itertools", "json", "math", "random", "re", "statistics", "string", "typing", "zoneinfo"),
    "pydantic",
)
"""Imported once, where they are installed, so that no call waits for them."""

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Numerical libraries start a thread per processor otherwise, each with much address space."""

M_ARENA_MAX = -8

SPARE = b"s"
"""Comes to the owner with the socket of a supervisor that waits for a call."""


def main(control: int) -> None:
    """Serve until the owner ends or closes the socket.

    Args:
        control: Descriptor of the socket to the owner, who sends one JSON line with ``owner`` (its
            process), ``root`` (the folder for scratch folders) and ``packages``, then a byte for
            each supervisor that it wants.
    """
    line = socket.socket(fileno=control)
    setup: dict[str, Any] = json.loads(_first_line(line))
    # a signal at the parent's death would come when the owner's thread that started us ends
    owner = os.pidfd_open(setup["owner"])
    sys.path[:] = [path for path in sys.path if path] + setup["packages"]
    for name in WARM:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    os.environ.clear()  # Python has set its locale
    for name in ONE_THREAD:  # for libraries only: os.environ stays empty
        LIBC.setenv(name.encode(), b"1", 1)
    with contextlib.suppress(AttributeError):  # other C libraries have no arenas
        LIBC.mallopt(M_ARENA_MAX, 1)  # each thread reserves 64 MiB for itself otherwise
    sys.modules.pop("__main__", None)
    seccomp.prepare()
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # supervisors are not waited for
    with contextlib.suppress(ConnectionError):  # the owner has ended without a word
        _serve(line, owner, setup["root"], readable())
    with contextlib.suppress(ChildProcessError):
        os.wait()  # supervisors see the owner's end too; returns when the last has ended
    with contextlib.suppress(OSError):
        scratch.remove(setup["root"])


def _first_line(line: socket.socket) -> bytes:
    text = b""
    while not text.endswith(b"\n") and (piece := line.recv(1)):
        text += piece
    return text


def _serve(line: socket.socket, owner: int, root: str, read: list[str]) -> None:
    """Fork a supervisor for each byte that the owner sends, and hand over its socket."""
    while True:
        ready, _, _ = select.select([line.fileno(), owner], [], [])
        if owner in ready or not line.recv(1):
            return
        with _fork(line, owner, root, read) as call:
            socket.send_fds(line, [SPARE], [call.fileno()])


def _fork(line: socket.socket, owner: int, root: str, read: list[str]) -> socket.socket:
    """Start a supervisor; the socket through which it takes its call."""
    zygote = os.getpid()
    near, far = socket.socketpair()
    if os.fork():
        far.close()
        return near
    try:
        die_with(zygote)
        near.close()
        line.close()  # the owner sees when the zygote ends
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        tempfile.tempdir = os.path.join(root, str(os.getpid()))
        with contextlib.suppress(OSError):  # the owner is gone
            serve(far, owner, root, read)
    finally:
        os._exit(0)
