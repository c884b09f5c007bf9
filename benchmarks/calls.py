"""A call of a zero-work engine through the client, against a call of a bare Ray actor."""

from __future__ import annotations

import asyncio
import http.client
import statistics
import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec

from benchmarks import bare, lab
from benchmarks.measure import Cost, Figures, Road, Rounds, goal, spread, table
from byzer_lab import ByzerLLM
from byzer_lab.client.session import session
from byzer_lab.errors import ByzerLabError
from byzer_lab.types import GenerateRequest, Sampling

CLIENTS = 128
BARE = "bare actor call"
ONE_TOKEN = {"max_tokens": 1}
CPU = ("client µs", "worker µs")
Call = Callable[[], object]
AsyncCall = Callable[[], Awaitable[object]]


def run(*, quick: bool) -> None:
    """Measure and print."""
    with lab.lab() as runtime, lab.deployed("calls") as (worker,), lab.driver(runtime) as ray:
        actor = ray.remote(bare.Bare).options(**bare.OPTIONS).remote()
        actor_pid = ray.get(actor.pid.remote())
        llm = ByzerLLM().setup_default_model_name("calls")
        data_plane = session().data_plane
        request = GenerateRequest(request_id="r", prompt="hi", sampling=Sampling(max_tokens=1))

        def chat() -> object:
            return llm.chat_oai("hi", llm_config=ONE_TOKEN)

        async def async_chat() -> None:
            async for _ in llm.async_stream_chat_oai("hi", llm_config=ONE_TOKEN):
                pass

        async def actor_call() -> Any:
            return await actor.call.remote("hi")

        plain = PlainHttp(worker.url, runtime.token, request)
        _one_client(
            {
                BARE: one(lambda: ray.get(actor.call.remote("hi")), actor_pid),
                "HTTP to the worker (http.client)": one(plain, worker.pid),
                "DataPlane.stream": one(
                    lambda: list(data_plane.stream("calls", request)), worker.pid
                ),
                "ByzerLLM.chat_oai": one(chat, worker.pid),
                "ByzerLLM.async_stream_chat_oai": one_async(async_chat, worker.pid),
            },
            quick,
        )
        _many_clients(
            {
                BARE: many_async(actor_call, actor_pid),
                "ByzerLLM.chat_oai, threads": many(chat, worker.pid),
                "ByzerLLM.async_stream_chat_oai": many_async(async_chat, worker.pid),
            },
            quick,
        )


def _one_client(roads: dict[str, Road], quick: bool) -> None:
    rounds = Rounds(roads, 2 if quick else 9)
    rows = [
        [
            name,
            f"{rounds.median(name, 'ms'):.2f}",
            f"{rounds.median(name, 'client'):.0f}",
            f"{rounds.median(name, 'worker'):.0f}",
            spread(rounds.ratio(name, BARE, "ms")),
        ]
        for name in roads
    ]
    table(["1 client", "p50 ms", *CPU, "of the bare call's time"], rows)
    ratio = rounds.ratio("ByzerLLM.chat_oai", BARE, "ms")[0]
    goal("chat_oai's time of the bare call's", ratio, 0.6, at_most=True)


def _many_clients(roads: dict[str, Road], quick: bool) -> None:
    rounds = Rounds(roads, 2 if quick else 5)
    rows = [
        [
            name,
            f"{rounds.median(name, 'rate'):.0f}",
            f"{rounds.median(name, 'client'):.0f}",
            f"{rounds.median(name, 'worker'):.0f}",
            spread(rounds.ratio(name, BARE, "rate")),
            f"{sum(round_['failed'] for round_ in rounds.figures[name]):.0f}",
        ]
        for name in roads
    ]
    table([f"{CLIENTS} clients", "calls/s", *CPU, "of the bare call's rate", "failed"], rows)
    best = max(rounds.ratio(name, BARE, "rate")[0] for name in roads if name != BARE)
    goal("calls/s of the bare call's", best, 1, at_most=False)


class PlainHttp:
    """The same request by the standard library: what the worker's side alone costs.

    Args:
        url: The worker's.
        token: The cluster's.
        request: What to ask.
    """

    def __init__(self, url: str, token: str, request: GenerateRequest) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._body = msgspec.json.encode(request)

    def __call__(self) -> bytes:
        self._connection.request("POST", "/generate", self._body, self._headers)
        return self._connection.getresponse().read()


def one(call: Call, pid: int, count: int = 100) -> Road:
    """One client that calls again and again."""

    def road() -> Figures:
        times = []
        cost = Cost(pid)
        for _ in range(count):
            started = time.perf_counter()
            call()
            times.append(time.perf_counter() - started)
        return {"ms": statistics.median(times) * 1e3, **cost.per(count)}

    return road


def one_async(call: AsyncCall, pid: int, count: int = 100) -> Road:
    """The same on asyncio."""

    async def ask() -> Figures:
        times = []
        cost = Cost(pid)
        for _ in range(count):
            started = time.perf_counter()
            await call()
            times.append(time.perf_counter() - started)
        return {"ms": statistics.median(times) * 1e3, **cost.per(count)}

    return lambda: asyncio.run(ask())


def many(call: Call, pid: int, each: int = 5) -> Road:
    """Many clients, each a thread that calls again and again."""

    def road() -> Figures:
        failed: list[ByzerLabError] = []

        def client() -> None:
            for _ in range(each):
                try:
                    call()
                except ByzerLabError as error:
                    failed.append(error)

        threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
        cost = Cost(pid)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return _rates(cost, CLIENTS * each, failed)

    return road


def many_async(call: AsyncCall, pid: int, each: int = 5) -> Road:
    """Many clients, each a task."""

    async def ask() -> Figures:
        failed: list[ByzerLabError] = []

        async def client() -> None:
            for _ in range(each):
                try:
                    await call()
                except ByzerLabError as error:
                    failed.append(error)

        cost = Cost(pid)
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
        return _rates(cost, CLIENTS * each, failed)

    return lambda: asyncio.run(ask())


def _rates(cost: Cost, calls: int, failed: list[ByzerLabError]) -> Figures:
    figures = cost.per(calls)
    if failed:
        print(f"  {len(failed)} calls failed, the last one with: {failed[-1].message}")
    return {**figures, "failed": len(failed)}
