"""Thousands of requests at a time to ``/v1`` while workers are killed at random.

    python -m tests.support.storm --requests 10000 --concurrent 128

Clients ask again after 429 and 5xx, as the official ones do. Each request must end with a whole
answer, or with an error that says what happened; afterwards no slot of a worker may be taken.
Prints counts; ends with status 1 where a request was lost or a slot has leaked.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

from byzer_lab import ByzerLLM
from byzer_lab.cluster.launch import start_cluster, stop_cluster
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.records import DeploymentRecord
from tests.conftest import COUNTING, REPOSITORY

NAME = "storm"
TOLD = ("worker_lost", "engine", "server_error")
"""Codes of a clear error that a client can't ask again for, because its stream had begun."""
MOST_TRIES = 30
"""More than the official clients' two, because a storm lasts longer than a hiccup."""
MOST_WAIT_S = 2.0
PATIENCE_S = 60.0
FIRST_KILL_S = 0.3


@dataclass
class Outcome:
    """What came of a storm.

    Attributes:
        ends: How many requests ended how: ``answered``, or the code of an error.
        again: How often was asked again after which status; 0 is a broken connection.
        kills: Workers killed.
        leaked: Requests that workers think they still answer, some time afterwards.
        seconds: How long it took.
        lost: Answers that were neither whole nor an error.
    """

    ends: Counter[str] = field(default_factory=Counter)
    again: Counter[int] = field(default_factory=Counter)
    kills: int = 0
    leaked: int = 0
    seconds: float = 0.0
    lost: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing was lost and nothing leaked."""
        return not self.lost and not self.leaked


class Storm:
    """The storm.

    Args:
        runtime: Of the cluster.
        llm: Whose deployment ``storm`` is asked.
        requests: How many in all.
        concurrent: How many at a time.
        kill_every_s: Mean seconds between two kills.
    """

    def __init__(
        self, runtime: Runtime, llm: ByzerLLM, requests: int, concurrent: int, kill_every_s: float
    ) -> None:
        self._runtime = runtime
        self._llm = llm
        self._requests = requests
        self._concurrent = concurrent
        self._kill_every_s = kill_every_s
        self._rng = random.Random(0)
        self.outcome = Outcome()

    async def run(self) -> Outcome:
        """Ask, kill, and count."""
        began = time.monotonic()
        limits = httpx.Limits(max_connections=self._concurrent)
        headers = {"Authorization": f"Bearer {self._runtime.token}"}
        numbers = iter(range(self._requests))
        async with httpx.AsyncClient(
            base_url=f"{self._runtime.url}/v1", headers=headers, timeout=PATIENCE_S, limits=limits
        ) as client:

            async def ask() -> None:
                for number in numbers:
                    self.outcome.ends[await self._asked(client, number)] += 1

            killing = asyncio.create_task(self._kill())
            await asyncio.gather(*(ask() for _ in range(self._concurrent)))
            killing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await killing
        self.outcome.seconds = time.monotonic() - began
        await asyncio.to_thread(self._settle)
        return self.outcome

    async def _asked(self, client: httpx.AsyncClient, number: int) -> str:
        """How one request ended."""
        wanted = 1 + number % 20
        body = {
            "model": NAME,
            "messages": [{"role": "user", "content": "count"}],
            "max_tokens": wanted,
            "stream": number % 2 == 0,
        }
        for _ in range(MOST_TRIES):
            try:
                reply = await client.post("/chat/completions", json=body)
            except httpx.TransportError:
                self.outcome.again[0] += 1
                await asyncio.sleep(0.1)
                continue
            if reply.status_code == 200:
                return self._read(reply.text, body["stream"] is True, wanted, number)
            code = str(reply.json()["error"]["code"])
            if reply.status_code not in (429, 500, 502, 503):
                self.outcome.lost.append(f"{number}: {reply.status_code} {reply.text}")
                return code
            self.outcome.again[reply.status_code] += 1
            told = float(reply.headers.get("retry-after", 0.1))
            await asyncio.sleep(min(told, MOST_WAIT_S) * (0.5 + self._rng.random() / 2))
        return code

    def _read(self, text: str, is_stream: bool, wanted: int, number: int) -> str:
        """How an answer with status 200 ended."""
        counted = "".join(f"{one} " for one in range(1, wanted + 1))
        if not is_stream:
            if json.loads(text)["choices"][0]["message"]["content"] == counted:
                return "answered"
            self.outcome.lost.append(f"{number}: {text}")
            return "LOST"
        events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("d")]
        said: list[Any] = [json.loads(one) for one in events if one != "[DONE]"]
        for event in said:
            if "error" in event:
                return str(event["error"]["code"])
        told = "".join(
            choice["delta"].get("content") or "" for one in said for choice in one["choices"]
        )
        if told == counted and events[-1] == "[DONE]":
            return "answered"
        self.outcome.lost.append(f"{number}: {text}")
        return "LOST"

    async def _kill(self) -> None:
        pause_s = FIRST_KILL_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = self._rng.expovariate(1 / self._kill_every_s)
            record = await asyncio.to_thread(deployment, self._llm)
            ready = [worker for worker in record.workers if worker.state == "ready"]
            if ready:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._rng.choice(ready).pid, signal.SIGKILL)
                    self.outcome.kills += 1

    def _settle(self) -> None:
        """Wait for the workers to be idle; what they still have is leaked."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            workers = deployment(self._llm).workers
            self.outcome.leaked = sum(one.load.in_flight + one.load.queued for one in workers)
            if not self.outcome.leaked or time.monotonic() > deadline:
                return
            time.sleep(0.1)


def deployment(llm: ByzerLLM) -> DeploymentRecord:
    """The record of the deployment that is asked."""
    found = llm._session.gateway.state().deployments
    return next(one for one in found if one.spec.name == NAME)


def storm(
    runtime: Runtime, llm: ByzerLLM, requests: int, concurrent: int, workers: int, every_s: float
) -> Outcome:
    """Deploy, storm, and take down.

    Args:
        runtime: Of the cluster.
        llm: A client of it.
        requests, concurrent, every_s: See :class:`Storm`.
        workers: Of the deployment, with 16 slots each and room for all other requests to wait.
    """
    llm.setup_infer_backend(COUNTING).setup_num_workers(workers).setup_worker_concurrency(16)
    llm.setup("queue_limit", concurrent)
    llm.deploy(udf_name=NAME, infer_params={"delay_s": 0.002})
    try:
        return asyncio.run(Storm(runtime, llm, requests, concurrent, every_s).run())
    finally:
        llm.undeploy(NAME, force=True)


def main() -> None:
    """Run it on a cluster of its own and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--concurrent", type=int, default=128)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--kill_every_s", type=float, default=5.0)
    given = parser.parse_args()
    home = tempfile.mkdtemp(prefix="byzer-storm-")
    os.environ |= {"BYZER_LAB_HOME": home, "PYTHONPATH": str(REPOSITORY)}
    try:
        runtime = start_cluster()
        found = storm(
            runtime, ByzerLLM(), given.requests, given.concurrent, given.workers, given.kill_every_s
        )
    finally:
        stop_cluster()
        shutil.rmtree(home, ignore_errors=True)
    print(f"{given.requests} requests at {given.concurrent}: {found.seconds:.0f} s, "
          f"{found.kills} workers killed")  # fmt: skip
    print("ended:", ", ".join(f"{count} {what}" for what, count in found.ends.most_common()))
    print("asked again:", dict(found.again) or "never")
    print(f"lost: {len(found.lost)}; slots leaked: {found.leaked}")
    for line in found.lost[:5]:
        print(line)
    sys.exit(not found.is_clean)


if __name__ == "__main__":
    main()
