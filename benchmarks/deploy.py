"""Deployments on a warm cluster, against the start of a bare Ray actor: of an engine that does no
work, and of a provider, whose model is elsewhere."""

from __future__ import annotations

import itertools
import time
from typing import Any

import psutil

from benchmarks import bare, lab
from benchmarks.measure import Figures, Rounds, goal, spread, table

BARE = "bare actor, started and called"
OURS = "deployment, ready"
PROVIDER = "deployment of a provider's model"
SERVICE = {
    "backend": "transformers",
    "pretrained_model_type": "saas/openai",
    "infer_params": {"saas.api_key": "sk-none", "saas.model": "gpt-4o-mini"},
}
"""Nothing is asked of it."""
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

        def deployment(**spec: Any) -> Figures:
            started = time.perf_counter()
            with lab.deployed(f"one-{next(numbers)}", **spec) as (worker,):
                seconds = time.perf_counter() - started
                memory = psutil.Process(worker.pid).memory_info().rss / 2**20
            time.sleep(1)
            return {"seconds": seconds, "memory": memory}

        roads = {BARE: bare_actor, OURS: deployment, PROVIDER: lambda: deployment(**SERVICE)}
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
    for name in (OURS, PROVIDER):
        seconds = rounds.ratio(name, BARE, "seconds")[0]
        more = rounds.median(name, "memory") - rounds.median(BARE, "memory")
        goal(f"{name}: seconds of the bare actor's", seconds, 1.5, at_most=True)
        goal(f"{name}: MiB more than the bare actor", more, 50, at_most=True)
