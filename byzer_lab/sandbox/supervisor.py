"""Watches one call, in a process of its own: reads the child's pipes and enforces its limits."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import socket
import time

from byzer_lab.sandbox import frames, scratch
from byzer_lab.sandbox.confine import MIB
from byzer_lab.sandbox.confined import Confined
from byzer_lab.sandbox.limits import Limit, Limits

TICK_S = 0.02
SCRATCH_EVERY = 5
"""Ticks between two looks at the scratch folder."""

LINE_S = 60.0
"""Seconds within which an answer is taken."""


@dataclasses.dataclass
class Report:
    """What the supervisor saw; nothing of it comes from the code that ran.

    Attributes:
        confined: The child gave up its rights, and was given the code.
        exit_code: Of the child; negative: the signal that ended it.
        limit: The limit that the supervisor or the kernel stopped it at.
        printed: Bytes that were printed.
        cpu_s: Seconds of processor time.
    """

    confined: bool = False
    exit_code: int = 0
    limit: Limit | None = None
    printed: int = 0
    cpu_s: float = 0.0


class Call:
    """One call.

    Args:
        line: The socket to whom asked.
        owner: Descriptor that becomes readable when that process ends.
        limits: Of the call.
    """

    def __init__(self, line: socket.socket, owner: int, limits: Limits) -> None:
        self._line = line
        self._owner = owner
        self._limits = limits
        self._kept = bytearray()
        self._result = bytearray()
        self._report = Report()

    def run(self, child: Confined, request: bytes, folder: str) -> list[bytes] | None:
        """Run a request to its end.

        Returns:
            The parts of the answer; ``None``: nobody waits for it any more.
        """
        report = self._report
        deadline = time.monotonic() + self._limits.time_s
        report.confined = child.begin(request, self._limits)
        wanted = self._watch(child, folder, deadline)
        report.exit_code, report.cpu_s = child.end()
        for pipe in (child.result, child.printed):
            os.set_blocking(pipe, False)
            while report.limit is None and self._read(pipe, pipe == child.result):
                pass
        killed = report.exit_code == -signal.SIGKILL and report.cpu_s >= self._limits.cpu_s
        if report.limit is None and (killed or report.exit_code == -signal.SIGXCPU):
            report.limit = "cpu"
        if not wanted:
            return None
        seen = json.dumps(dataclasses.asdict(report)).encode()
        return [seen, bytes(self._result), bytes(self._kept)]

    def _watch(self, child: Confined, folder: str, deadline: float) -> bool:
        """Wait for the child's end or its limits; whether anybody wants to know the outcome."""
        line = self._line.fileno()
        pipes = {child.result, child.printed}
        waiting = select.poll()
        for descriptor in (child.handle, *pipes, line, self._owner):
            waiting.register(descriptor, select.POLLIN)
        ticks = 0
        while True:
            ready = {descriptor for descriptor, _ in waiting.poll(TICK_S * 1000)}
            for pipe in ready & pipes:
                if not self._read(pipe, pipe == child.result):
                    waiting.unregister(pipe)
            if ready & {line, self._owner}:
                return False
            if child.handle in ready or self._report.limit is not None:
                return True
            ticks += 1
            look = ticks % SCRATCH_EVERY == 0
            self._report.limit = self._exceeded(child.pid, folder if look else None, deadline)

    def _read(self, pipe: int, is_result: bool) -> bool:
        """Read what is there; whether more may come."""
        try:
            data = os.read(pipe, 1 << 16)
        except BlockingIOError:
            return False
        if is_result:
            self._result += data
            if len(self._result) > self._limits.result_mib * MIB:
                self._result.clear()
                self._report.limit = "result"
            return bool(data)
        room = int(self._limits.kept_kib * 1024) - len(self._kept)
        self._kept += data[: max(room, 0)]
        self._report.printed += len(data)
        if self._report.printed > self._limits.output_mib * MIB:
            self._report.limit = "output"
        return bool(data)

    def _exceeded(self, child: int, folder: str | None, deadline: float) -> Limit | None:
        if time.monotonic() > deadline:
            return "time"
        if _threads(child) > self._limits.threads:
            return "threads"
        if folder is not None:
            used = scratch.size(folder) + scratch.open_size(child)
            if used > self._limits.scratch_mib * MIB:
                return "scratch"
        return None


def _threads(pid: int) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    return int(fields[17])


def serve(line: socket.socket, owner: int, root: str, read: list[str]) -> None:
    """Wait for one call with a child at hand, serve it, and return.

    Args:
        line: Where the call comes from; its end means that none will come.
        owner: Descriptor that becomes readable when the owner ends.
        root: Where the scratch folder is made.
        read: What the child may read.

    Raises:
        OSError: The owner is gone.
    """
    folder = os.path.join(root, str(os.getpid()))
    try:
        os.mkdir(folder, 0o700)
        try:
            child = Confined(folder, read)
            try:
                answer = _serve(line, owner, child, folder)
            finally:
                child.end()
        finally:
            scratch.remove(folder)
    except Exception as error:
        answer = [json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode()]
    if answer is not None:
        line.settimeout(LINE_S)
        frames.send(line, *answer)


def _serve(line: socket.socket, owner: int, child: Confined, folder: str) -> list[bytes] | None:
    ready, _, _ = select.select([line.fileno(), owner], [], [])
    asked = None if owner in ready else frames.receive(line)
    if asked is None:
        return None
    limits = Limits(**json.loads(asked[0]))
    return Call(line, owner, limits).run(child, asked[1], folder)
