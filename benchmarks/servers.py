"""The /v1 of a deployment on vLLM against ``vllm serve`` on the same model, in one run.

    python -m benchmarks.servers [--clients 32] [--tokens 64] [--rounds 5] [--litellm PATH]

Both servers run beside each other with the same settings, and the same clients ask them in turn.
``--litellm`` names the command of an installed LiteLLM proxy, which then stands before the second.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks import lab
from benchmarks.measure import Figures, Rounds, percentile, spread, table
from byzer_lab import ByzerLLM, bundled_model
from byzer_lab.cluster.runtime import Runtime

OURS = "Byzer Lab's /v1"
THEIRS = "vllm serve"
PROXY = "LiteLLM before it"
STARTING_S = 240.0
QUESTION = "What is Byzer Lab?"


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


@contextlib.contextmanager
def served(command: list[str], url: str, log: Path, **environment: str) -> Iterator[None]:
    """A server, from when it answers until the end of the block."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, stdout=out, stderr=out, env={**os.environ, **environment}
        )
        try:
            deadline = time.monotonic() + STARTING_S
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{url}/models").status_code < 500:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"{command[0]} did not start:\n{log.read_text()[-3000:]}")
                time.sleep(0.5)
            yield
        finally:
            process.terminate()
            process.wait(timeout=60)


@contextlib.contextmanager
def vllm_serve(folder: Path, window: int, clients: int) -> Iterator[str]:
    """``vllm serve`` on the bundled model; yields its URL."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("vllm")), "serve", str(bundled_model())]
    options = {
        "--served-model-name": "chat",
        "--host": "127.0.0.1",
        "--port": str(port),
        "--max-model-len": str(window),
        "--max-num-seqs": str(clients),
    }
    command += [word for pair in options.items() for word in pair]
    url = f"http://127.0.0.1:{port}/v1"
    surroundings = {
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
        "VLLM_HOST_IP": "127.0.0.1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
    with served([*command, "--enforce-eager"], url, folder / "vllm.log", **surroundings):
        yield url


@contextlib.contextmanager
def litellm(command: str, folder: Path, target: str) -> Iterator[str]:
    """A LiteLLM proxy before a server; yields its URL."""
    port = free_port()
    config = folder / "litellm.yaml"
    model = {"model": "openai/chat", "api_base": target, "api_key": "none"}
    listed = [{"model_name": "chat", "litellm_params": model}]
    config.write_text(json.dumps({"model_list": listed}))  # JSON is YAML
    url = f"http://127.0.0.1:{port}/v1"
    run = [command, "--config", str(config), "--port", str(port), "--host", "127.0.0.1"]
    with served(run, url, folder / "litellm.log", PYTHONPATH=""):
        yield url


class Clients:
    """Clients that ask a server at a time, each for one stream of so many tokens.

    Args:
        url: Of ``/v1``.
        key: What it asks for.
        count: How many.
        tokens: Of each answer.
    """

    def __init__(self, url: str, key: str, count: int, tokens: int) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._count = count
        self._body = {
            "model": "chat",
            "messages": [{"role": "user", "content": QUESTION}],
            "max_tokens": tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        self._tokens = tokens

    def __call__(self) -> Figures:
        """Ask once each."""
        return asyncio.run(self._run())

    async def _run(self) -> Figures:
        limits = httpx.Limits(max_connections=self._count)
        async with httpx.AsyncClient(headers=self._headers, timeout=120, limits=limits) as client:
            began = time.perf_counter()
            firsts = await asyncio.gather(*(self._ask(client) for _ in range(self._count)))
            seconds = time.perf_counter() - began
        return {
            "rate": self._count * self._tokens / seconds,
            "first": percentile(firsts, 0.5) * 1000,
            "first90": percentile(firsts, 0.9) * 1000,
        }

    async def _ask(self, client: httpx.AsyncClient) -> float:
        """Seconds to the first token."""
        began = time.perf_counter()
        first, made = 0.0, 0
        async for event in self._events(client):
            choices = event.get("choices") or [{}]
            if choices[0].get("delta", {}).get("content") and not first:
                first = time.perf_counter() - began
            made = (event.get("usage") or {}).get("completion_tokens", made)
        assert made == self._tokens, f"a stream had {made} tokens and not {self._tokens}"
        return first

    async def _events(self, client: httpx.AsyncClient) -> AsyncIterator[dict[str, Any]]:
        body = {**self._body, "ignore_eos": True}
        async with client.stream("POST", f"{self._url}/chat/completions", json=body) as reply:
            if reply.status_code != 200:
                raise SystemExit(f"{self._url} says {(await reply.aread()).decode()}")
            async for line in reply.aiter_lines():
                if line.startswith("data: {"):
                    found: dict[str, Any] = json.loads(line[6:])
                    yield found


def measure(runtime: Runtime, clients: int, tokens: int, rounds: int, proxy: str | None) -> None:
    """Run the servers, ask them in turn, and print a table."""
    llm = ByzerLLM().setup_infer_backend("vllm").setup_worker_concurrency(clients)
    llm.deploy(model_path="bundled", udf_name="chat")
    window = int(llm.get_meta("chat")["max_model_len"])
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        theirs = stack.enter_context(vllm_serve(folder, window, clients))
        roads = {
            THEIRS: Clients(theirs, "none", clients, tokens),
            OURS: Clients(f"{runtime.url}/v1", runtime.token, clients, tokens),
        }
        if proxy:
            before = stack.enter_context(litellm(proxy, folder, theirs))
            roads[PROXY] = Clients(before, "none", clients, tokens)
        found = Rounds(dict(roads), rounds)
    rows = [
        [
            name,
            f"{found.median(name, 'rate'):,.0f}",
            f"{found.median(name, 'first'):.0f}",
            f"{found.median(name, 'first90'):.0f}",
            spread(found.ratio(name, THEIRS, "rate")),
            spread(found.ratio(name, THEIRS, "first")),
        ]
        for name in roads
    ]
    columns = ["tokens/s", "first ms", "p90", "tokens/s of the first", "first token"]
    table([f"{clients} streams of {tokens}", *columns], rows)


def run(*, quick: bool) -> None:
    """Measure and print."""
    with lab.lab() as runtime:
        measure(runtime, 32, 64, 2 if quick else 7, None)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=64, help="of each answer")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--litellm", metavar="PATH", help="the command of a LiteLLM proxy")
    given = parser.parse_args()
    with lab.lab() as runtime:
        measure(runtime, given.clients, given.tokens, given.rounds, given.litellm)


if __name__ == "__main__":
    main()
