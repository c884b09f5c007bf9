"""Deploys, streams, scales, kills and undeploys in a loop, and what that leaves behind.

    python -m tests.support.soak --minutes 10

It prints the cluster's processes, their open files and their memory before and after, and ends with
status 1 when something was left. The first rounds are not counted: caches fill in them.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import psutil

from byzer_lab import ByzerLLM
from byzer_lab.cluster import processes
from byzer_lab.cluster.launch import start_cluster, stop_cluster
from byzer_lab.errors import ByzerLabError, WorkerLostError
from tests.conftest import COUNTING, REPOSITORY

WARM_ROUNDS = 3
CLIENTS = 8
MOST_MORE_FILES = 8
MOST_MORE_MIB = 40.0
"""Allocators keep some of what was freed; a leak of a round would be more after many rounds."""
SETTLE_S = 20.0


@dataclass
class Footprint:
    """What the cluster's lasting processes have.

    Attributes:
        processes: How many there are of each kind; Ray's pool of idle processes left out.
        files: Open files and sockets, of all and of this process.
        memory: Resident memory of each kind, this process among them, in MiB.
    """

    processes: Counter[str] = field(default_factory=Counter)
    files: int = 0
    memory: Counter[str] = field(default_factory=Counter)

    @property
    def mib(self) -> float:
        """Resident memory of all, in MiB."""
        return sum(self.memory.values())


def footprint(leader: int) -> Footprint:
    """Measure the processes of a head's session."""
    found = Footprint()
    for process in [*processes.session_members(leader), psutil.Process()]:
        with contextlib.suppress(psutil.NoSuchProcess):
            words = process.cmdline() or [process.name()]
            kind = words[0].rpartition("/")[2]
            if kind.startswith("ray::IDLE"):
                continue
            found.processes[kind] += 1
            found.files += process.num_fds()
            found.memory[kind] += round(process.memory_info().rss / 2**20)
    return found


def one_round(llm: ByzerLLM, number: int) -> int:
    """One life of a deployment; returns how many answers came whole."""
    name = f"soak-{number}"
    llm.setup_num_workers(2).setup_worker_concurrency(4)
    llm.deploy(udf_name=name, infer_params={"delay_s": 0.001})
    whole: list[str] = []
    lost: list[Exception] = []

    def ask() -> None:
        for length in (1, 50, 200):
            try:
                (answer,) = llm.chat_oai("hi", model=name, llm_config={"max_tokens": length})
                assert answer.output.split() == [str(n) for n in range(1, length + 1)]
                whole.append(answer.output)
            except ByzerLabError as error:
                lost.append(error)

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    broken_off = llm.stream_chat_oai("hi", model=name, llm_config={"max_tokens": 100_000})
    next(broken_off)
    broken_off.close()
    if number % 3 == 0:
        os.kill(llm._record(name).workers[0].pid, signal.SIGKILL)
    for thread in threads:
        thread.join()
    assert number % 3 == 0 or not lost, lost
    assert all(isinstance(error, WorkerLostError) for error in lost), lost
    assert len(whole) + len(lost) == 3 * CLIENTS
    llm.undeploy(name, force=number % 2 == 0)
    return len(whole)


def soak(leader: int, *, seconds: float = 0, rounds: int = 0) -> tuple[Footprint, Footprint, int]:
    """Run rounds for a time, or so many; returns the footprints and how many answers came."""
    llm = ByzerLLM().setup_infer_backend(COUNTING)
    for number in range(1, WARM_ROUNDS + 1):
        one_round(llm, number)
    time.sleep(SETTLE_S / 4)
    before = footprint(leader)
    answers = 0
    deadline = time.monotonic() + seconds
    for number in itertools.count(WARM_ROUNDS + 1):
        if time.monotonic() > deadline and number > WARM_ROUNDS + rounds:
            break
        answers += one_round(llm, number)
    return before, settled(leader, before), answers


def settled(leader: int, before: Footprint) -> Footprint:
    """The footprint, when what ends has had time to end."""
    deadline = time.monotonic() + SETTLE_S
    while problems(before, after := footprint(leader)) and time.monotonic() < deadline:
        time.sleep(0.5)
    return after


def problems(before: Footprint, after: Footprint) -> list[str]:
    """What was left behind, in words."""
    found = []
    if before.processes != after.processes:
        found.append(f"processes: {dict(before.processes)} became {dict(after.processes)}")
    if after.files > before.files + MOST_MORE_FILES:
        found.append(f"open files: {before.files} became {after.files}")
    if after.mib > before.mib + MOST_MORE_MIB:
        more = after.memory - before.memory
        found.append(f"memory: {before.mib:.0f} MiB became {after.mib:.0f} MiB: {dict(more)}")
    return found


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.soak")
    parser.add_argument("--minutes", type=float, default=10)
    minutes = parser.parse_args().minutes
    folder = tempfile.mkdtemp(prefix="byzer-soak-")
    os.environ.update(BYZER_LAB_HOME=folder, PYTHONPATH=str(REPOSITORY))
    try:
        runtime = start_cluster()
        assert runtime.pid is not None
        before, after, answers = soak(runtime.pid, seconds=minutes * 60)
    finally:
        stop_cluster()
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{answers} whole answers in {minutes:g} minutes")
    for when, found in (("before", before), ("after", after)):
        print(f"{when:7}{found.files:5} files {found.mib:7.0f} MiB  {dict(found.processes)}")
        print(f"{'':7}MiB of each: {dict(found.memory)}")
    left = problems(before, after)
    print(*left or ["nothing was left behind"], sep="\n")
    return int(bool(left))


if __name__ == "__main__":
    sys.exit(main())
