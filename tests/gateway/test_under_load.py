"""Full queues, readers that leave, workers that die."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import openai as sdk
import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.records import DeploymentRecord
from tests.conftest import COUNTING
from tests.support.storm import storm

HELLO = [{"role": "user", "content": "hello"}]
PATIENCE_S = 30.0


def record(llm: ByzerLLM, name: str) -> DeploymentRecord:
    found = llm._session.gateway.state().deployments
    return next(one for one in found if one.spec.name == name)


def until(true: Callable[[], Any]) -> None:
    """Wait for something that takes a moment."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def slow(llm: ByzerLLM, name: str, workers: int = 1, concurrency: int = 1, queue: int = 0) -> str:
    """A deployment that takes 50 ms for a token."""
    llm.setup_infer_backend(COUNTING).setup_num_workers(workers)
    llm.setup_worker_concurrency(concurrency).setup("queue_limit", queue)
    llm.deploy(udf_name=name, infer_params={"delay_s": 0.05})
    return name


@contextlib.contextmanager
def streaming(openai: Any, name: str) -> Iterator[Any]:
    """An answer that has begun and would take a minute."""
    stream = openai.chat.completions.create(
        model=name, messages=HELLO, max_tokens=1200, stream=True
    )
    try:
        next(stream)
        yield stream
    finally:
        stream.close()


def test_a_full_queue_is_429(llm: ByzerLLM, openai: Any) -> None:
    name = slow(llm, "full")
    with streaming(openai, name), pytest.raises(sdk.RateLimitError) as caught:
        openai.chat.completions.create(model=name, messages=HELLO)
    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("whole", [False, True])
def test_who_leaves_frees_the_slot(llm: ByzerLLM, openai: Any, http: Any, whole: bool) -> None:
    name = slow(llm, "left")
    if whole:
        ask = {"model": name, "messages": HELLO, "max_tokens": 1200}
        with pytest.raises(httpx.ReadTimeout):
            http.post("/v1/chat/completions", json=ask, timeout=1)
    else:
        with streaming(openai, name):
            pass

    def answered() -> bool:
        try:
            return bool(openai.chat.completions.create(model=name, messages=HELLO, max_tokens=1))
        except sdk.RateLimitError:
            return False

    until(answered)  # with one slot and no queue, only a cancelled answer makes room

    def told() -> bool:
        lines = llm._session.gateway.log(name)
        return any(line.text.startswith("cancelled ") for line in lines)

    until(told)  # the engine itself was told


def test_a_dead_worker_is_an_error_of_its_own_streams(llm: ByzerLLM, openai: Any) -> None:
    name = slow(llm, "dies", workers=2, concurrency=4)
    with streaming(openai, name) as first, streaming(openai, name) as second:
        worker = next(w for w in record(llm, name).workers if w.index == 0)
        os.kill(worker.pid, signal.SIGKILL)
        outcomes: list[str] = []

        def read(stream: Any) -> None:
            try:
                for number, _ in enumerate(stream):
                    if number > 60:
                        outcomes.append("goes on")
                        return
            except sdk.APIError as error:
                outcomes.append(str(error.code))

        readers = [threading.Thread(target=read, args=(one,)) for one in (first, second)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(PATIENCE_S)
    assert sorted(outcomes) == ["goes on", "worker_lost"]
    # what has not begun is asked of the other worker
    assert openai.chat.completions.create(model=name, messages=HELLO, max_tokens=1)


def test_an_engine_that_breaks_in_the_middle(openai: Any, counting: str) -> None:
    stream = openai.completions.create(model=counting, prompt="break", stream=True)
    assert next(stream).choices[0].text == "half "
    with pytest.raises(sdk.APIError, match="broke in the middle"):
        next(stream)
    with pytest.raises(sdk.InternalServerError, match="broke in the middle"):
        openai.completions.create(model=counting, prompt="break")
    with pytest.raises(sdk.BadRequestError, match="refuses that prompt"):
        openai.completions.create(model=counting, prompt="refuse", stream=True)


def test_every_request_of_a_crowd_ends(llm: ByzerLLM, cluster: Runtime) -> None:
    """Workers are killed meanwhile: each answer is whole, or a clear error."""
    found = storm(cluster, llm, requests=400, concurrent=32, workers=2, every_s=5.0)
    assert found.kills >= 1
    assert found.lost == []
    assert found.leaked == 0
    assert sum(found.ends.values()) == 400
    assert set(found.ends) <= {"answered", "worker_lost", "not_ready"}
    assert found.ends["answered"] > 200
