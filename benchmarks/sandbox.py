"""A call of a written function that is kept: in the warm sandbox, and in this process."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from benchmarks.measure import Figures, Road, Rounds, goal, percentile, spread, table
from byzer_lab import ByzerLLM
from byzer_lab.client.types import LLMResponse
from byzer_lab.sandbox.sandbox import Sandbox, shared

CODE = "import datetime\ndef now(days):\n    return str(datetime.date.fromordinal(days))"
GOAL_MS = 10.0
CALLS = 50


class _Written(ByzerLLM):
    """A client whose model writes one function."""

    def _ask(self, *_: Any) -> Any:
        return lambda *_, **__: LLMResponse(output=CODE, input={})

    def _record(self, name: str) -> Any:
        return SimpleNamespace(meta={})


def _road(call: Any) -> Road:
    def run() -> Figures:
        taken = []
        for _ in range(CALLS):
            began = time.perf_counter()
            call()
            taken.append(1000 * (time.perf_counter() - began))
            time.sleep(0.01)  # a person's calls don't come in one rush
        return {"p50": percentile(taken, 0.5), "p90": percentile(taken, 0.9)}

    return run


def _cold() -> Figures:
    began = time.perf_counter()
    with Sandbox() as own:
        own.run(CODE, "now", [738000])
    taken = 1000 * (time.perf_counter() - began)
    return {"p50": taken, "p90": taken}


def run(*, quick: bool) -> None:
    """Measure and print."""
    llm = _Written().setup_default_model_name("none")

    def now(days: int) -> str:  # type: ignore[empty-body]
        """The date."""

    kept, here = llm.impl()(now), llm.impl(unsafe=True)(now)
    assert kept(738000) == here(738000)
    roads = {
        "kept, unsafe (this process)": _road(lambda: here(738000)),
        "the sandbox alone": _road(lambda: shared().run(CODE, "now", [738000])),
        "kept, in the sandbox": _road(lambda: kept(738000)),
        "a sandbox that is not warm": _cold,
    }
    rounds = Rounds(roads, 2 if quick else 20)
    reference = "the sandbox alone"
    rows = [
        [
            name,
            f"{rounds.median(name, 'p50'):.2f}",
            f"{rounds.median(name, 'p90'):.2f}",
            spread(rounds.ratio(name, reference, "p50")),
        ]
        for name in roads
    ]
    table(["", "p50 ms", "p90 ms", "of the sandbox alone"], rows)
    found = rounds.median("kept, in the sandbox", "p50")
    goal("kept, in the warm sandbox, ms", found, GOAL_MS, at_most=True)
    goal("kept, unsafe, ms", rounds.median("kept, unsafe (this process)", "p50"), 1, at_most=True)
