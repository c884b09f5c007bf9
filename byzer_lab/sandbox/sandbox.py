"""The owner's side of the sandbox: starts the warm process and sends calls to it."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from byzer_lab.sandbox import frames, scratch
from byzer_lab.sandbox.limits import Limits, Outcome, SandboxError
from byzer_lab.sandbox.outcomes import outcome
from byzer_lab.sandbox.places import package_folders
from byzer_lab.sandbox.support import require
from byzer_lab.sandbox.values import encode_call

PACKAGE_ROOT = str(Path(__file__).parent.parent.parent)

PROGRAM = (
    "import sys; sys.path.insert(0, {root!r}); from byzer_lab.sandbox import zygote; "
    "sys.path.remove({root!r}); zygote.main({control})"
)

START_S = 60.0
GRACE_S = 10.0
"""Seconds beyond a call's own time within which the supervisor has to answer."""


class Sandbox:
    """Runs code in confined processes; a context manager. Threads may share one.

    The warm process is started by the first call, and ends with this process or :meth:`close`.

    Args:
        limits: Of calls that bring none of their own.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.Lock()
        self._zygote: _Zygote | None = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the warm process and every call. A later call starts it again."""
        with self._lock:
            zygote, self._zygote = self._zygote, None
        if zygote is not None:
            zygote.stop()

    def start(self) -> None:
        """Start the warm process now, so that the first call doesn't wait for it.

        Raises:
            SandboxError: This machine can't confine code, or the process doesn't start.
        """
        with self._lock:
            self._started()

    def run(
        self,
        source: str,
        function: str | None = None,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        limits: Limits | None = None,
        classes: Mapping[str, Sequence[str]] | None = None,
        enums: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Outcome:
        """Run code, and a function of it.

        An interrupt, or any other exception here, stops the code.

        Args:
            source: Python.
            function: The function to call; ``None``: none, and the value is ``None``.
            args, kwargs: Its arguments: see :func:`byzer_lab.sandbox.values.encode`.
            limits: Instead of the sandbox's own.
            classes: Names that the code may use for plain objects, with the names of their fields.
            enums: Names of enums, with their members.

        Returns:
            The value, or why there is none. What the code does wrong is no exception here.

        Raises:
            InvalidRequestError: An argument can't go into the sandbox.
            SandboxError: This machine can't confine code, or the sandbox failed itself.
        """
        began = time.monotonic()
        limits = limits or self.limits
        request = {
            "source": source,
            "function": function,
            **encode_call(args, kwargs or {}),
            "classes": {name: list(fields) for name, fields in (classes or {}).items()},
            "enums": {name: dict(members) for name, members in (enums or {}).items()},
        }
        parts = (
            json.dumps(dataclasses.asdict(limits)).encode(),
            json.dumps(request).encode(),
        )
        answer = self._ask(parts, limits.time_s + GRACE_S)
        return outcome(answer, limits, time.monotonic() - began)

    def _ask(self, request: Sequence[bytes], timeout_s: float) -> list[bytes]:
        """Send a request to a supervisor, and wait for what it says."""
        with self._spare() as line:
            line.settimeout(timeout_s)
            try:
                frames.send(line, *request)
                answer = frames.receive(line)
            except OSError as error:
                raise SandboxError(f"The sandbox's process doesn't answer: {error}.") from error
            finally:
                self._order()  # while the caller does something else
        if answer is None:
            raise SandboxError("The sandbox's process ended during the call. Call again.")
        return answer

    def _spare(self) -> socket.socket:
        """The socket of a supervisor that waits for a call."""
        with self._lock:
            for _ in range(2):
                zygote = self._started()
                line = zygote.spare()
                if line is not None:
                    return line
                self._zygote = None  # it was killed; a new one is as good
                zygote.stop()
        raise SandboxError("The sandbox's process ends as soon as it has started.")

    def _order(self) -> None:
        """Have the next supervisor made."""
        with self._lock:
            if self._zygote is not None and self._zygote.owner == os.getpid():
                self._zygote.order()

    def _started(self) -> _Zygote:
        if self._zygote is None or self._zygote.owner != os.getpid():  # not a forked copy's
            require()
            self._zygote = _Zygote()
        return self._zygote


class _Zygote:
    """The warm process as its owner sees it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.line, theirs = socket.socketpair()
        self._ready: socket.socket | None = None
        self._root = tempfile.mkdtemp(prefix="byzer-lab-sandbox-")
        setup = {"owner": self.owner, "root": self._root, "packages": package_folders()}
        program = PROGRAM.format(root=PACKAGE_ROOT, control=theirs.fileno())
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-B", "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={},
                cwd="/",
                start_new_session=True,
            )
        self._ordered = 0
        self.line.settimeout(START_S)
        with contextlib.suppress(OSError):  # it has ended: said by what follows
            self.line.sendall(json.dumps(setup).encode() + b"\n")
        self.order()
        self._ready = self._receive()
        if self._ready is None:
            self.stop()
            assert self._process.stderr is not None
            said = self._process.stderr.read().decode(errors="replace").strip()[-500:]
            raise SandboxError(f"The sandbox's process doesn't start: {said or 'it ended'}.")

    def order(self) -> None:
        """Have a supervisor made, where none is ready or under way."""
        if self._ready is None and not self._ordered:
            with contextlib.suppress(OSError):  # it has ended: said by who waits for it
                self.line.send(b"n")
            self._ordered += 1

    def spare(self) -> socket.socket | None:
        """The socket of a supervisor; ``None``: the process has ended."""
        while self._process.poll() is None:  # its supervisors end with it, if a moment later
            self.order()
            found, self._ready = self._ready or self._receive(), None
            if found is None or not _ended(found):
                return found
            found.close()  # it was killed
        return None

    def _receive(self) -> socket.socket | None:
        try:
            _, found, _, _ = socket.recv_fds(self.line, 1, 1)
        except OSError:
            return None
        self._ordered -= 1
        return socket.socket(fileno=found[0]) if found else None

    def stop(self) -> None:
        """End it with all that it started, and remove its folder."""
        self.line.close()
        if self._ready is not None:
            self._ready.close()
        if self.owner != os.getpid():
            return  # a forked copy of the owner ends; the owner goes on
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # children die with their supervisors
        self._process.wait()
        for _ in range(200):  # supervisors and children are gone in a moment
            try:
                scratch.remove(self._root)
                return
            except OSError:
                time.sleep(0.01)


def _ended(line: socket.socket) -> bool:
    """Whether the other side is gone; it says nothing unasked."""
    return bool(select.select([line], [], [], 0)[0])


_shared: Sandbox | None = None
_shared_lock = threading.Lock()


def _forget() -> None:
    """In a forked copy of this process: its sandbox is the owner's, its locks may be held."""
    global _shared, _shared_lock
    _shared, _shared_lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def shared() -> Sandbox:
    """The sandbox of this process; made when it is first asked for, closed at the end."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Sandbox()
            atexit.register(_shared.close)
        return _shared
