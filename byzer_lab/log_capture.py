"""Everything that a process of a worker or a job writes to stdout or stderr, native libraries
included."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

from byzer_lab.secrets import Redactor

FLUSH_S = 0.2
LONGEST_LINE = 4_000
DRAIN_S = 5.0
_END = "\x00end"
"""A line that is never handed over: what was written before it has been read."""
Lines = list[tuple[float, str]]


class LogCapture:
    """Puts a pipe in the place of file descriptors 1 and 2.

    What comes through is still written to where it went before (Ray's log files), and handed
    over line by line, without secrets. A line that does not end is handed over in pieces.

    Args:
        redact: Hides secrets.
        deliver: Given the lines of the last :data:`FLUSH_S` seconds: time and text of each.
    """

    def __init__(self, redact: Redactor, deliver: Callable[[Lines], None]) -> None:
        self._redact = redact
        self._deliver = deliver
        self._lines: Lines = []
        self._lock = threading.Lock()
        self._came = threading.Event()
        self._end_came = threading.Event()
        self._onward = os.dup(2)
        reading, writing = os.pipe()
        for descriptor in (1, 2):
            os.dup2(writing, descriptor)
        os.close(writing)
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        threading.Thread(target=self._read, args=(reading,), name="log-read", daemon=True).start()
        threading.Thread(target=self._flush_often, name="log-flush", daemon=True).start()

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb", buffering=0) as pipe:
            rest = b""
            while block := pipe.read(65536):
                *whole, rest = (rest + block).replace(b"\r", b"\n").split(b"\n")
                if len(rest) > LONGEST_LINE + self._redact.longest:
                    piece, rest = self._cut(rest)
                    whole.append(piece)
                self._take(whole)

    def _cut(self, line: bytes) -> tuple[bytes, bytes]:
        """Take all of a line but its end, where a secret may have begun."""
        text = self._redact(line.decode(errors="replace"))
        end = max(len(text) - self._redact.longest, 0)
        return text[:end].encode(), text[end:].encode()

    def _take(self, raw: list[bytes]) -> None:
        now = time.time()
        texts = [
            self._redact(line.decode(errors="replace").rstrip())[:LONGEST_LINE] for line in raw
        ]
        drained = _END in texts
        texts = [
            text for text in texts if text not in ("", _END) and not text.startswith(":actor_name:")
        ]
        if texts:
            os.write(self._onward, ("\n".join(texts) + "\n").encode())
            with self._lock:
                self._lines += [(now, text) for text in texts]
            self._came.set()
        if drained:
            self._end_came.set()

    def _flush_often(self) -> None:
        while True:
            self._came.wait()
            time.sleep(FLUSH_S)
            self.flush()

    def flush(self) -> None:
        """Hand over what has come."""
        self._came.clear()
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self._deliver(lines)

    def drain(self) -> None:
        """Hand over all that was written until now, an unfinished line too."""
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        self._end_came.clear()
        os.write(1, f"\n{_END}\n".encode())
        self._end_came.wait(DRAIN_S)
        self.flush()
