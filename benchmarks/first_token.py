"""Time to the first token of one stream, against a bare HTTP endpoint in a Ray actor."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Iterator

import httpx

from benchmarks import bare, lab
from benchmarks.measure import Figures, Road, Rounds, goal, percentile, table
from byzer_lab import ByzerLLM
from byzer_lab.client.session import session
from byzer_lab.types import GenerateRequest, Sampling

BARE = "bare HTTP on an actor (httpx)"
CHAT = "ByzerLLM.stream_chat_oai"
REQUESTS = 100


def run(*, quick: bool) -> None:
    """Measure and print."""
    with lab.lab() as runtime, lab.deployed("first") as _, lab.driver(runtime) as ray:
        actor = ray.remote(bare.Bare).options(**bare.OPTIONS).remote()
        url = ray.get(actor.listen.remote())
        llm = ByzerLLM().setup_default_model_name("first")
        data_plane = session().data_plane
        request = GenerateRequest("r", prompt="hi", sampling=Sampling(max_tokens=5))
        client = httpx.Client(trust_env=False)

        def plain() -> Iterator[object]:
            with client.stream("POST", url, content=b"{}") as reply:
                yield from reply.iter_raw()

        roads = {
            BARE: road(plain),
            "DataPlane.stream": road(lambda: data_plane.stream("first", request)),
            CHAT: road(lambda: llm.stream_chat_oai("hi", llm_config={"max_tokens": 5})),
        }
        rounds = Rounds(roads, 2 if quick else 15)

    def more(name: str) -> float:
        pairs = zip(rounds.figures[name], rounds.figures[BARE], strict=True)
        return statistics.median(one["p50"] - other["p50"] for one, other in pairs)

    rows = [
        [
            name,
            f"{rounds.median(name, 'p50'):.2f}",
            f"{rounds.median(name, 'p90'):.2f}",
            "" if name == BARE else f"+{more(name):.2f}",
        ]
        for name in roads
    ]
    table(["first token, 1 stream", "p50 ms", "p90 ms", "more ms"], rows)
    goal("milliseconds more", more(CHAT), 2, at_most=True)


def road(stream: Callable[[], Iterator[object]]) -> Road:
    """Ask for streams one after another; each is read to its end."""

    def ask() -> Figures:
        times = []
        for _ in range(REQUESTS):
            started = time.perf_counter()
            with contextlib.closing(stream()) as pieces:  # type: ignore[type-var]
                next(pieces)
                times.append((time.perf_counter() - started) * 1e3)
                for _ in pieces:
                    pass
        return {"p50": statistics.median(times), "p90": percentile(times, 0.9)}

    return ask
