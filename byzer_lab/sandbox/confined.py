"""The confined process: forked in advance, it has given up its rights and waits for its request."""

from __future__ import annotations

import contextlib
import os
import signal
import traceback

from byzer_lab.sandbox.child import REQUEST, RESULT, answer
from byzer_lab.sandbox.confine import confine, die_with, limit
from byzer_lab.sandbox.limits import Limits

HIGH = 1000
"""Where descriptors are parked, above all that are in use."""

CONFINED = b"+"
"""The first byte of the answer, of a process that has given up its rights."""


class Confined:
    """One process for one request.

    Args:
        folder: Where it may write; must exist.
        read: What it may read.

    Attributes:
        pid: The process; until :meth:`end` the number can't become another's.
        result: The pipe with its answer.
        printed: The pipe with what it prints.
        handle: Becomes readable when it ends.
    """

    def __init__(self, folder: str, read: list[str]) -> None:
        request_end, self._request = os.pipe()
        self.result, result_end = os.pipe()
        self.printed, printed_end = os.pipe()
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            _be_confined(parent, folder, read, (request_end, result_end, printed_end))
        for end in (request_end, result_end, printed_end):
            os.close(end)
        self.handle = os.pidfd_open(self.pid)
        self._ended: tuple[int, float] | None = None

    def begin(self, request: bytes, limits: Limits) -> bool:
        """Set the limits and let it run a request, where it is confined.

        Returns:
            Whether it is; else it ends, and its answer says why.

        Raises:
            OSError: The kernel refuses a limit; nothing has run then.
        """
        try:
            if os.read(self.result, 1) != CONFINED:
                return False
            limit(self.pid, limits)
            view = memoryview(request)
            while view:
                view = view[os.write(self._request, view) :]
            return True
        finally:
            os.close(self._request)

    def end(self) -> tuple[int, float]:
        """Kill it if it still runs.

        Returns:
            Its exit code (negative: the signal that ended it) and its seconds of processor time.
        """
        if self._ended is None:
            os.kill(self.pid, signal.SIGKILL)
            _, status, used = os.wait4(self.pid, 0)
            self._ended = os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime
        return self._ended


def _be_confined(parent: int, folder: str, read: list[str], ends: tuple[int, int, int]) -> None:
    """Become the process that runs the code; never comes back."""
    try:
        os.setsid()
        os.chdir(folder)
        parked = [os.dup2(end, HIGH + place) for place, end in enumerate(ends)]
        for end, place in zip(parked, (REQUEST, RESULT, 1), strict=True):
            os.dup2(end, place)
        os.dup2(1, 2)
        os.closerange(max(REQUEST, RESULT) + 1, 1 << 20)
        die_with(parent)
        confine(folder, read)
    except BaseException:
        said = traceback.format_exc().encode()[-2000:]
        for end in (RESULT, ends[1]):  # the latter where it is not yet in its place
            with contextlib.suppress(OSError):
                os.write(end, b"-" + said)
        os._exit(1)
    try:
        os.write(RESULT, CONFINED)
        answer()
    finally:
        os._exit(1)  # never back into the supervisor's code
