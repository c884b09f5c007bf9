"""The owner's side of the sandbox: starts the warm process and sends calls to it."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
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
        with self._call() as line:
            line.settimeout(limits.time_s + GRACE_S)
            try:
                frames.send(line, *parts)
                answer = frames.receive(line)
            except OSError as error:
                raise SandboxError(f"The sandbox's process doesn't answer: {error}.") from error
        if answer is None:
            raise SandboxError("The sandbox's process ended during the call. Call again.")
        return outcome(answer, limits, time.monotonic() - began)

    def _call(self) -> socket.socket:
        """The near end of a new call's socket."""
        near, far = socket.socketpair()
        with far:
            for attempt in (1, 2):
                with self._lock:
                    zygote = self._started()
                    try:
                        socket.send_fds(zygote.line, [b"c"], [far.fileno()])
                        return near
                    except OSError as error:  # it was killed; a new one is as good
                        self._zygote = None
                        zygote.stop()
                        if attempt == 2:
                            near.close()
                            raise SandboxError(f"The sandbox's process ended: {error}.") from error
        raise AssertionError("unreachable")

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
        try:
            self.line.settimeout(START_S)
            self.line.sendall(json.dumps(setup).encode() + b"\n")
            ready = self.line.recv(1)
        except OSError as error:
            ready, said = b"", str(error)
        else:
            said = ""
        if ready != b"r":
            self.stop()
            assert self._process.stderr is not None
            said = self._process.stderr.read().decode(errors="replace").strip()[-500:] or said
            raise SandboxError(f"The sandbox's process doesn't start: {said or 'it ended'}.")
        self.line.settimeout(START_S)

    def stop(self) -> None:
        """End it with all that it started, and remove its folder."""
        self.line.close()
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
