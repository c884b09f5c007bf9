"""The processes of the ranks: started by the worker, watched, and ended with it.

Each rank has one line to the worker, a pair of sockets. Its end tells both sides of the other's
death at once, however that came: the worker then ends all ranks, and a rank ends itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

import msgspec

from byzer_lab.engines.deepspeed.parameters import Parameters
from byzer_lab.engines.deepspeed.protocol import (
    Failed,
    FromRank,
    RankSetup,
    ToRank,
    decode_from_rank,
    encode,
)
from byzer_lab.errors import (
    ByzerLabError,
    EngineDeadError,
    EngineError,
    InvalidRequestError,
    from_wire,
)

PROGRAM = "byzer_lab.engines.deepspeed.rank"
_SCRATCH = "byzer-lab-ranks-"
# One rank's failure fails the others a moment later: so long to hear which was first and why.
_CAUSES_S = 1.0


class RankProcesses:
    """Ranks of one model on this machine, each a process.

    Args:
        setups: Of the ranks, in their order; rendezvous and scratch folders are filled in.

    Raises:
        InvalidRequestError: Nothing can be written into the deployment's folder for weights.
        EngineError: A process can't be started.
    """

    def __init__(self, setups: Sequence[RankSetup]) -> None:
        self._scratch = [tempfile.mkdtemp(prefix=_SCRATCH)]
        self._lines: list[Connection] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._sending = threading.Lock()
        self._ending = threading.Lock()
        self._ended = False
        rendezvous = f"file://{self._scratch[0]}/rendezvous"
        try:
            parameters = self._on_disk(setups[0].parameters)
            for setup in setups:
                self._start(
                    msgspec.structs.replace(
                        setup,
                        rendezvous=rendezvous,
                        parameters=parameters,
                        scratch=self._scratch,
                    )
                )
        except BaseException as error:
            self.end()
            self.close()
            if isinstance(error, OSError):
                raise EngineError(f"The process of a rank can't be started: {error}.") from error
            raise

    @property
    def process_ids(self) -> list[int]:
        """Of the ranks, in their order."""
        return [process.pid for process in self._processes]

    def send(self, message: ToRank) -> None:
        """Tell rank 0.

        Raises:
            OSError: It is gone.
        """
        with self._sending:
            self._lines[0].send_bytes(encode(message))

    def messages(self) -> Iterator[tuple[int, FromRank]]:
        """What the ranks tell, and which one, for as long as all of them live.

        Raises:
            ByzerLabError: What the first rank failed with.
            EngineDeadError: A rank ended without a word.
        """
        ranks = {line: rank for rank, line in enumerate(self._lines)}
        while True:
            for line in wait(list(ranks)):
                assert isinstance(line, Connection)
                message = _read(line)
                if message is None or isinstance(message, Failed):
                    raise self._cause(ranks, line, message)
                yield ranks[line], message

    def end(self) -> None:
        """End all ranks at once, and whatever they have started. Safe to call twice."""
        with self._ending:
            if self._ended:
                return
            self._ended = True
            for process in self._processes:
                # Nobody has waited for it, so its number can't be another's by now.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            for process in self._processes:
                process.wait()
            remove(self._scratch)

    def close(self) -> None:
        """Close the lines, when nobody reads them any more."""
        for line in self._lines:
            line.close()

    def _on_disk(self, parameters: Parameters) -> Parameters:
        """The parameters, with a folder for these ranks alone where weights lie on a disk."""
        if parameters.nvme_path is None:
            return parameters
        disk = Path(parameters.nvme_path).expanduser()
        try:
            self._scratch.append(tempfile.mkdtemp(prefix=_SCRATCH, dir=disk))
        except OSError as error:
            raise InvalidRequestError(
                f"Nothing can be written into the nvme_path {str(disk)!r}: {error.strerror}."
            ) from error
        return dataclasses.replace(parameters, nvme_path=self._scratch[-1])

    def _start(self, setup: RankSetup) -> None:
        ours, theirs = Pipe()
        self._lines.append(ours)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", PROGRAM, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # A group of its own, so that compilers and helpers of a rank end with it.
                start_new_session=True,
                env=_environment(),
            )
        self._processes.append(process)
        ours.send_bytes(encode(setup))

    def _cause(
        self, ranks: dict[Connection, int], first: Connection, message: Failed | None
    ) -> ByzerLabError:
        """Why the ranks end: what was first, but a rank that was lost rather than its peers' cries.

        Args:
            ranks: Of the lines.
            first: Line of the rank that failed first.
            message: What it said; ``None`` when it is gone.
        """
        said = {ranks[first]: message}
        open_lines = [line for line in ranks if line is not first]
        deadline = time.monotonic() + _CAUSES_S
        while open_lines and (left := deadline - time.monotonic()) > 0:
            for line in wait(open_lines, left):
                assert isinstance(line, Connection)
                heard = _read(line)
                if heard is None or isinstance(heard, Failed):
                    said[ranks[line]] = heard
                    open_lines.remove(line)
        lost = next((rank for rank, words in said.items() if words is None), None)
        if lost is not None:
            return EngineDeadError(
                f"Rank {lost} of {len(ranks)} is gone: its process {self._how(lost)}."
            )
        return next(from_wire(words.error) for words in said.values() if words is not None)

    def _how(self, rank: int) -> str:
        """How the process of a rank ended; it stays for :meth:`end` to be waited for."""
        try:
            info = os.waitid(os.P_PID, self._processes[rank].pid, os.WEXITED | os.WNOWAIT)
        except ChildProcessError:  # ended on purpose meanwhile
            info = None
        if info is None:
            return "was ended"
        if info.si_code == os.CLD_EXITED:
            return f"ended with status {info.si_status}"
        memory = "; the machine may have run out of memory"
        killed = info.si_status == signal.SIGKILL
        return f"was ended by {signal.Signals(info.si_status).name}{memory if killed else ''}"


def remove(folders: Sequence[str]) -> None:
    """Remove what ranks have left behind."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _environment() -> dict[str, str]:
    """This process's, in which the rank finds the same packages and their programs (ninja)."""
    programs = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return {
        **os.environ,
        "PATH": os.pathsep.join(programs),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def _read(line: Connection) -> FromRank | None:
    """The next message; ``None`` when the line has ended."""
    try:
        message: FromRank = decode_from_rank(line.recv_bytes())
        return message
    except (EOFError, OSError):
        return None
