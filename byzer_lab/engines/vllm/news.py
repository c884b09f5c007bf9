"""What vLLM's processes tell the worker, and how they learn that the worker is gone.

vLLM's engine runs in processes of its own. When one fails, the worker learns only that it did; the
cause is written into the log of that process. And when the worker is killed, they would live on
and keep their memory. So the log of each has one handler more, :class:`Messenger`, with a
connection to the worker: phases and causes go through it, and its end is the process's end.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import struct
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from byzer_lab.engines.base import LoadProgress, ReportProgress
from byzer_lab.engines.vllm.placement import ray_folder
from byzer_lab.errors import describe

PHASES = {
    "Starting to load model": "loading weights",
    "Loading weights took": "warming up",
}
"""Beginnings of vLLM's log lines, and the phases that they begin."""

_LONGEST = 4000
# Between the death of a process and the news of its cause, in seconds.
_PATIENCE_S = 1.0
# Between a kill and the end of the process.
_KILLED_S = 10.0
_FOLDER = "byzer-lab-vllm-"
# A socket's path has less than 108 characters; the folder's name and a UUID take up to 69.
_LONGEST_PLACE = 30
_links: dict[str, socket.socket | None] = {}


class Messenger(logging.Handler):
    """Sends phases and causes; vLLM's logging configuration makes it in each of its processes.

    Args:
        address: Socket of the :class:`News`.
        worker: Number of the worker's process, which sends itself nothing.
        alone: All of vLLM's processes are on this machine: one that can't reach the worker any
            more has no use.
    """

    def __init__(self, address: str, worker: int, alone: bool) -> None:
        super().__init__(logging.INFO)
        self._link = None if os.getpid() == worker else _connect(address, alone)

    def emit(self, record: logging.LogRecord) -> None:
        """Send what matters of a log line."""
        if self._link is None:
            return
        message: dict[str, str] = {}
        if record.exc_info and record.exc_info[1] is not None:
            message["cause"] = describe(record.exc_info[1])[:_LONGEST]
        for start, phase in PHASES.items():
            if str(record.msg).startswith(start):
                message["phase"] = phase
        if message:
            with contextlib.suppress(OSError):  # the worker is gone, and so will be this process
                self._link.sendall(json.dumps(message).encode() + b"\n")


def _connect(address: str, alone: bool) -> socket.socket | None:
    """This process's connection to the worker; its end ends the process."""
    if address not in _links:
        link = socket.socket(socket.AF_UNIX)
        try:
            link.connect(address)
        except OSError:
            if alone:
                _end()
            _links[address] = None
            return None
        _links[address] = link
        threading.Thread(target=_end_with, args=(link,), name="worker-gone", daemon=True).start()
    return _links[address]


def _end_with(link: socket.socket) -> None:
    with contextlib.suppress(OSError):
        link.recv(1)  # nothing is ever sent: it returns when the worker is gone
    _end()


def _end() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class News:
    """Receives phases and causes, on threads of its own.

    Args:
        report: Told of each phase.

    Attributes:
        folder: Of this worker's files in the temporary directory; :meth:`close` removes it. Its
            path is short enough for the sockets that vLLM makes in it.
        logging_config: File with vLLM's logging configuration, the messenger included.
    """

    def __init__(self, report: ReportProgress) -> None:
        self._report = report
        self._causes: list[str] = []
        self._came = threading.Event()
        self._links: list[socket.socket] = []
        self._processes: list[psutil.Process] = []
        place = _place(ray_folder())
        _remove_orphans(place)
        self.folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-", dir=place))
        self._address = str(self.folder / "news")
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(self._address)
        self._socket.listen()
        self.logging_config = str(self.folder / "logging.json")
        threading.Thread(target=self._accept, name="vllm-news", daemon=True).start()

    def write_logging_config(self, base: dict[str, Any], *, alone: bool) -> None:
        """Write :attr:`logging_config`.

        Args:
            base: vLLM's own configuration.
            alone: As in :class:`Messenger`.
        """
        config = copy.deepcopy(base)
        config["handlers"]["byzer_lab"] = {
            "class": f"{Messenger.__module__}.{Messenger.__name__}",
            "address": self._address,
            "worker": os.getpid(),
            "alone": alone,
        }
        config["loggers"]["vllm"]["handlers"].append("byzer_lab")
        Path(self.logging_config).write_text(json.dumps(config))

    def cause(self) -> str | None:
        """The first failure that was told: later ones only follow from it. Waits a moment for it;
        ``None`` when a process ended without a word."""
        self._came.wait(_PATIENCE_S)
        return self._causes[0] if self._causes else None

    def close(self) -> None:
        """End what is left of vLLM's processes, wait until they are gone, and remove the files.
        Safe to call twice."""
        for one in (self._socket, *self._links):
            with contextlib.suppress(OSError):  # it has ended already
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        _wait_for_end(self._processes)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                link, _ = self._socket.accept()
                self._links.append(link)
                with contextlib.suppress(psutil.NoSuchProcess):
                    self._processes.append(psutil.Process(_peer(link)))
                threading.Thread(target=self._read, args=(link,), daemon=True).start()

    def _read(self, link: socket.socket) -> None:
        with contextlib.suppress(OSError), link.makefile("rb") as lines:
            for line in lines:
                message = json.loads(line)
                if "phase" in message:
                    self._report(LoadProgress(message["phase"]))
                if "cause" in message:
                    self._causes.append(message["cause"])
                    self._came.set()


def _peer(link: socket.socket) -> int:
    """Number of the process at the other end."""
    facts = struct.Struct("3i")
    asked = link.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, facts.size)
    return int(facts.unpack(asked)[0])


def _wait_for_end(processes: list[psutil.Process]) -> None:
    """Wait until processes are listed no more: they were killed, which takes a moment."""
    deadline = time.monotonic() + _KILLED_S
    while any(map(_listed, processes)) and time.monotonic() < deadline:
        multiprocessing.active_children()  # collects those that have ended
        time.sleep(0.01)


def _listed(process: psutil.Process) -> bool:
    """Whether a process is there; one that has ended and isn't ours is left to its parent."""
    try:
        ended = process.status() == psutil.STATUS_ZOMBIE and process.ppid() != os.getpid()
        return process.is_running() and not ended
    except psutil.NoSuchProcess:
        return False


def _place(of_ray: str | None) -> Path:
    """Where the folder goes: Ray's own goes away with the cluster, if its path is short."""
    # vLLM asks for TMPDIR while it stands on the worker's folder: find out before that.
    temporary = tempfile.gettempdir()
    if of_ray is not None and len(of_ray) <= _LONGEST_PLACE:
        return Path(of_ray)
    return Path(temporary if len(temporary) <= _LONGEST_PLACE else "/tmp")


def _remove_orphans(place: Path) -> None:
    """Remove the folders of workers that were killed; each has the number of its process."""
    for folder in place.glob(f"{_FOLDER}*"):
        number = folder.name.removeprefix(_FOLDER).partition("-")[0]
        if number.isdigit() and not psutil.pid_exists(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
