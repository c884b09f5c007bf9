"""What an idle cluster uses, against a bare Ray head with three idle actors, at the same time."""

from __future__ import annotations

import contextlib
import os
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

import psutil

from benchmarks import lab
from benchmarks.measure import goal, table
from byzer_lab.cluster import processes
from byzer_lab.cluster.bootstrap import Head, connect, ray_environment

WINDOW_S = 20.0
SETTLE_S = 30.0
BARE = "bare head, 3 actors"
OURS = "Byzer Lab, 2 workers"
RAY_PROCESSES = (
    "gcs_server",
    "raylet/raylet",
    "dashboard/agent",
    "runtime_env",
    "monitor",
    "ray.scripts",
)


def run(*, quick: bool) -> None:
    """Measure and print."""
    with lab.lab() as runtime, lab.deployed("idle", workers=2), bare_head() as bare:
        assert runtime.pid is not None
        leaders = {BARE: bare, OURS: runtime.pid}
        time.sleep(5 if quick else SETTLE_S)  # Ray starts and ends spare processes at first
        windows = [_window(leaders, 5 if quick else WINDOW_S) for _ in range(1 if quick else 4)]
    kinds = sorted({kind for window in windows for used in window.values() for kind in used})

    def median(name: str, kind: str) -> float:
        return statistics.median(window[name].get(kind, 0.0) for window in windows)

    rows = [
        [kind, *(f"{median(name, kind) * 100:.2f}" for name in leaders)]
        for kind in kinds
        if max(median(name, kind) for name in leaders) >= 0.0001
    ]
    totals = [{name: sum(used.values()) for name, used in window.items()} for window in windows]
    medians = [statistics.median(total[name] for total in totals) for name in leaders]
    rows.append(["all", *(f"{value * 100:.2f}" for value in medians)])
    table(["% of one core", *leaders], rows)
    ratios = sorted(total[OURS] / total[BARE] for total in totals)
    print("ratios of the windows: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))
    goal("CPU of the bare head's", statistics.median(ratios), 1.1, at_most=True)


def _window(leaders: dict[str, int], seconds: float) -> dict[str, dict[str, float]]:
    """Share of one core that each kind of process of each session used."""
    before = {name: _cpu(pid) for name, pid in leaders.items()}
    started = time.perf_counter()
    time.sleep(seconds)
    wall = time.perf_counter() - started
    used: dict[str, dict[str, float]] = {}
    for name, leader in leaders.items():
        kinds: Counter[str] = Counter()
        for pid, (kind, cpu) in _cpu(leader).items():
            # A spare process that ended meanwhile takes its figures with it.
            kinds[kind] += (cpu - before[name].get(pid, (kind, 0.0))[1]) / wall
        used[name] = dict(kinds)
    return used


def _cpu(leader: int) -> dict[int, tuple[str, float]]:
    """Kind and processor time of each process of a session."""
    used = {}
    for member in processes.session_members(leader):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = member.cpu_times()
            used[member.pid] = (_kind(member), times.user + times.system)
    return used


def _kind(process: psutil.Process) -> str:
    words = " ".join(process.cmdline())
    if words.startswith("ray::"):
        return re.split(r"[.\s(]", words, maxsplit=1)[0]
    return next((kind for kind in RAY_PROCESSES if kind in words), process.name())


@contextlib.contextmanager
def bare_head() -> Iterator[int]:
    """A Ray head started the same way, with three actors that do nothing.

    Yields:
        Process id of its session's leader.
    """
    os.environ.update(ray_environment())
    head = Head()
    try:
        address = head.wait_for_address()
        subprocess.run([sys.executable, "-m", "benchmarks.idle", address], check=True)
        yield head.process.pid
    finally:
        head.undo()


def _start_actors(address: str) -> None:
    from benchmarks.bare import OPTIONS, Bare

    ray = connect(address)
    actors = [
        ray.remote(Bare).options(**OPTIONS, lifetime="detached", name=f"idle-{number}").remote()
        for number in range(3)
    ]
    ray.get([actor.pid.remote() for actor in actors])
    ray.shutdown()


if __name__ == "__main__":
    _start_actors(sys.argv[1])
