"""What vLLM's processes tell the worker: phases of loading, and the causes of failures.

vLLM's engine runs in processes of its own. When one fails, the worker learns only that it did; the
cause is written into the log of that process. So the log has one handler more, :class:`Messenger`,
which sends what matters through a socket.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import os
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.errors import describe

PHASES = {
    "Starting to load model": "loading weights",
    "Loading weights took": "warming up",
}
"""Beginnings of vLLM's log lines, and the phases that they begin."""

_LONGEST = 4000
# Between the death of a process and the news of its cause, in seconds.
_PATIENCE_S = 1.0


class Messenger(logging.Handler):
    """Sends phases and causes; vLLM's logging configuration makes it in each of its processes.

    Args:
        address: Socket of the :class:`News`.
        worker: Process that reads them; it sends itself nothing.
    """

    def __init__(self, address: str, worker: int) -> None:
        super().__init__(logging.INFO)
        self._address = None if os.getpid() == worker else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)

    def emit(self, record: logging.LogRecord) -> None:
        """Send what matters of a log line."""
        message: dict[str, str] = {}
        if record.exc_info and record.exc_info[1] is not None:
            message["cause"] = describe(record.exc_info[1])[:_LONGEST]
        else:
            for start, phase in PHASES.items():
                if str(record.msg).startswith(start):
                    message["phase"] = phase
        if message and self._address is not None:
            # The worker may be gone, or on another node.
            with contextlib.suppress(OSError):
                self._socket.sendto(json.dumps(message).encode(), self._address)


class News:
    """Receives phases and causes on a thread of its own.

    Args:
        report: Told of each phase.

    Attributes:
        logging_config: File with vLLM's logging configuration, the messenger included.
    """

    def __init__(self, report: ReportProgress) -> None:
        self._report = report
        self._causes: list[str] = []
        self._came = threading.Event()
        self._folder = Path(tempfile.mkdtemp(prefix="byzer-lab-vllm-"))
        self._address = str(self._folder / "news")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self._address)
        self.logging_config = str(self._folder / "logging.json")
        self._thread = threading.Thread(target=self._read, name="vllm-news", daemon=True)
        self._thread.start()

    def write_logging_config(self, base: dict[str, Any]) -> None:
        """Write :attr:`logging_config`.

        Args:
            base: vLLM's own configuration.
        """
        config = copy.deepcopy(base)
        config["handlers"]["byzer_lab"] = {
            "class": f"{Messenger.__module__}.{Messenger.__name__}",
            "address": self._address,
            "worker": os.getpid(),
        }
        config["loggers"]["vllm"]["handlers"].append("byzer_lab")
        Path(self.logging_config).write_text(json.dumps(config))

    def cause(self) -> str | None:
        """The first failure that was told: later ones only follow from it. Waits a moment for it;
        ``None`` when a process ended without a word."""
        self._came.wait(_PATIENCE_S)
        return self._causes[0] if self._causes else None

    def close(self) -> None:
        """End the thread and remove the files. Safe to call twice."""
        if self._thread.is_alive():
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
                end.sendto(b"", self._address)
            self._thread.join()
        self._socket.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self) -> None:
        while block := self._socket.recv(65536):
            message = json.loads(block)
            if "phase" in message:
                self._report(LoadProgress(message["phase"]))
            if "cause" in message:
                self._causes.append(message["cause"])
                self._came.set()
