"""A deployment of a zero-work engine on a warm cluster, against the start of a bare Ray actor."""

from __future__ import annotations

import itertools
import time

import psutil

from benchmarks import bare, lab
from benchmarks.measure import Figures, Rounds, goal, spread, table

BARE = "bare actor, started and called"
OURS = "deployment, ready"
numbers = itertools.count()


def run(*, quick: bool) -> None:
    """Measure and print."""
    with lab.lab() as runtime, lab.driver(runtime) as ray:

        def bare_actor() -> Figures:
            started = time.perf_counter()
            actor = ray.remote(bare.Bare).options(**bare.OPTIONS, lifetime="detached").remote()
            pid = ray.get(actor.pid.remote())
            seconds = time.perf_counter() - started
            memory = psutil.Process(pid).memory_info().rss / 2**20
            ray.kill(actor)
            time.sleep(1)  # the next one must not find this one's end in its way
            return {"seconds": seconds, "memory": memory}

        def deployment() -> Figures:
            started = time.perf_counter()
            with lab.deployed(f"one-{next(numbers)}") as (worker,):
                seconds = time.perf_counter() - started
                memory = psutil.Process(worker.pid).memory_info().rss / 2**20
            time.sleep(1)
            return {"seconds": seconds, "memory": memory}

        roads = {BARE: bare_actor, OURS: deployment}
        rounds = Rounds(roads, 2 if quick else 9)
    rows = [
        [
            name,
            f"{rounds.median(name, 'seconds'):.2f}",
            spread(rounds.ratio(name, BARE, "seconds")),
            f"{rounds.median(name, 'memory'):.0f}",
        ]
        for name in roads
    ]
    table(["warm cluster", "seconds", "of the bare actor's", "MiB"], rows)
    goal("seconds of the bare actor's", rounds.ratio(OURS, BARE, "seconds")[0], 1.5, at_most=True)
    more = rounds.median(OURS, "memory") - rounds.median(BARE, "memory")
    goal("MiB more than the bare actor", more, 50, at_most=True)
