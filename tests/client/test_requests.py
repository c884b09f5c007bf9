"""Requests through a real worker: streams, many at once, back-pressure, cancel, bad input."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from byzer_lab import InferBackend, LLMRequest
from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.session import Session, session
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import (
    EngineError,
    InvalidRequestError,
    ModelNotFoundError,
    QueueFullError,
    WorkerLostError,
)
from byzer_lab.records import DeploymentSpec, Load
from byzer_lab.types import GenerateRequest
from tests.conftest import COUNTING


def numbers(count: int) -> str:
    return "".join(f"{number} " for number in range(1, count + 1))


@pytest.fixture(scope="module")
def fast(cluster: Runtime) -> Iterator[ByzerLLM]:
    """A deployment without delays."""
    llm = ByzerLLM().setup_infer_backend(COUNTING).setup_default_model_name("fast")
    llm.deploy(udf_name="fast")
    yield llm
    llm.undeploy("fast", force=True)


def test_a_response_has_output_input_and_metadata_in_milliseconds(fast: ByzerLLM) -> None:
    (response,) = fast.chat_oai("hi", llm_config={"max_length": 4})
    assert response.output == numbers(4)
    assert response.input == {"messages": [{"role": "user", "content": "hi"}]}
    assert response.metadata["generated_tokens_count"] == 4
    assert response.metadata["input_tokens_count"] == 1
    assert response.metadata["finish_reason"] == "stop"
    assert response.metadata["model"] == "fast"
    assert 0 < response.metadata["first_token_time"] <= response.metadata["time_cost"] < 10_000


def test_stream_items_are_pairs_and_add_like_texts(fast: ByzerLLM) -> None:
    items = list(fast.stream_chat_oai("hi", llm_config={"max_tokens": 3}))
    assert items[-1][0] == numbers(3)
    assert items[-1] + "\n" == numbers(3) + "\n"
    assert "> " + items[-1] == "> " + numbers(3)
    text, meta = items[-1]
    assert (text, meta.generated_tokens_count, meta.finish_reason) == (numbers(3), 3, "stop")
    deltas = fast.stream_chat_oai("hi", llm_config={"max_tokens": 3}, delta_mode=True)
    assert "".join(item[0] for item in deltas) == numbers(3)


def test_asyncio_streams(fast: ByzerLLM) -> None:
    async def ask() -> str:
        stream = fast.async_stream_chat_oai("hi", llm_config={"max_tokens": 50}, delta_mode=True)
        return "".join([item[0] async for item in stream])

    async def many() -> list[str]:
        return await asyncio.gather(*(ask() for _ in range(20)))

    assert asyncio.run(many()) == [numbers(50)] * 20


def test_two_hundred_streams_lose_nothing(fast: ByzerLLM) -> None:
    outputs: list[str] = []
    threads = [
        threading.Thread(
            target=lambda: outputs.append(
                fast.chat_oai("hi", llm_config={"max_tokens": 40})[0].output
            )
        )
        for _ in range(200)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert outputs == [numbers(40)] * 200


def test_chat_takes_texts_and_requests(fast: ByzerLLM) -> None:
    (one,) = fast.chat("fast", "hi")
    assert one.output == numbers(10)
    several = fast.chat(None, LLMRequest(instruction=["a", "b", "c"], max_length=2))
    assert [response.output for response in several] == [numbers(2)] * 3
    assert several[1].input["messages"][0]["content"] == "b"


def test_chat_in_a_running_loop(fast: ByzerLLM) -> None:
    async def cell() -> list[str]:
        return [response.output for response in fast.chat(None, LLMRequest(["a", "b"]))]

    assert asyncio.run(cell()) == [numbers(10)] * 2


def test_an_interrupt_of_chat_cancels_on_the_workers(cluster: Runtime) -> None:
    llm = ByzerLLM().setup_infer_backend(COUNTING)
    llm.deploy(udf_name="slow", infer_params={"delay_s": 4})
    try:
        pressed = threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT])
        pressed.start()
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            llm.chat("slow", LLMRequest(instruction=["a", "b", "c"]))
        assert time.monotonic() - began < 2
        wait_for_load("slow", lambda load: load.in_flight == 0 and load.requests == 3)
        lines = [line.text for line in session().gateway.log("slow")]
        assert sum(line.startswith("cancelled ") for line in lines) == 3
    finally:
        llm.undeploy("slow", force=True)


def test_a_request_that_ends_workers_leaves_the_third(cluster: Runtime) -> None:
    llm = ByzerLLM().setup_infer_backend(COUNTING).setup_num_workers(3)
    llm.deploy(udf_name="trio")
    before = {worker.id for worker in llm._record("trio").workers}
    try:
        with pytest.raises(WorkerLostError, match="of 'trio' was lost"):
            list(session().data_plane.stream("trio", GenerateRequest("r", prompt="exit")))
        assert llm.chat_oai("hi", model="trio")[0].output == numbers(10)
        deadline = time.monotonic() + 30
        while len(before & (now := {w.id for w in llm._record("trio").workers})) != 1 or (
            len(now) < 3
        ):
            assert time.monotonic() < deadline, "the lost ones were never replaced"
            time.sleep(0.1)
    finally:
        llm.undeploy("trio", force=True)


def test_asyncio_goes_on_while_a_connection_is_made(
    fast: ByzerLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slowly(address: str) -> Session:
        time.sleep(0.5)  # as when a cluster is started
        return session(address)

    monkeypatch.setattr("byzer_lab.client.base.session", slowly)
    ticks: list[float] = []

    async def ticking() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    async def ask() -> None:
        ticker = asyncio.create_task(ticking())
        async for _ in fast.async_stream_chat_oai("hi"):
            pass
        ticker.cancel()

    asyncio.run(ask())
    assert len(ticks) > 10


def test_the_conversation_is_not_changed(fast: ByzerLLM) -> None:
    conversation = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u", "metadata": {"kept": "by the caller"}},
    ]
    before = [dict(turn) for turn in conversation]
    fast.chat_oai(conversation)
    assert conversation == before


def test_a_full_queue_and_a_freed_slot(cluster: Runtime) -> None:
    gateway, data_plane = session().gateway, session().data_plane
    spec = DeploymentSpec(
        name="narrow",
        backend=COUNTING,
        worker_concurrency=1,
        queue_limit=1,
        infer_params={"delay_s": 0.02},
    )
    (*_, end) = gateway.watch(gateway.deploy(spec, secrets={}))
    assert end.state == "succeeded"
    try:
        request = GenerateRequest(request_id="r", prompt="x")
        request.sampling.max_tokens = 10_000
        running = data_plane.stream("narrow", request)
        next(running)
        waiting = threading.Thread(target=lambda: next(data_plane.stream("narrow", request)))
        waiting.start()
        wait_for_load("narrow", lambda load: load.queued == 1)
        with pytest.raises(QueueFullError, match="'narrow' is full: 1 requests .* 1 wait"):
            next(data_plane.stream("narrow", request))
        running.close()  # frees the slot for the one that waits
        waiting.join(timeout=10)
        assert not waiting.is_alive()
        wait_for_load("narrow", lambda load: load.in_flight == 0 and load.queued == 0)
    finally:
        list(gateway.watch(gateway.undeploy("narrow", force=True)))


def wait_for_load(name: str, condition: Callable[[Load], bool]) -> None:
    """Wait until the state shows a load; it must within a second of the change."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for record in session().gateway.state().deployments:
            if record.spec.name == name and condition(record.workers[0].load):
                return
        time.sleep(0.05)
    raise AssertionError("the load was never seen")


def test_load_is_counted(fast: ByzerLLM) -> None:
    fast.chat_oai("hi", llm_config={"max_tokens": 50_000})
    wait_for_load("fast", lambda load: load.requests > 0 and load.memory_mb > 10)
    wait_for_load("fast", lambda load: load.in_flight == 0 and load.tokens_per_second == 0)


def test_an_engine_that_breaks_is_an_error_not_an_answer(fast: ByzerLLM) -> None:
    data_plane = session().data_plane
    with pytest.raises(InvalidRequestError, match="refuses that prompt"):
        list(data_plane.stream("fast", GenerateRequest(request_id="r", prompt="refuse")))
    stream = data_plane.stream("fast", GenerateRequest(request_id="r", prompt="break"))
    assert next(stream).text == "half "
    with pytest.raises(EngineError, match="broke in the middle"):
        list(stream)


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"model": "nope"}, ModelNotFoundError, "There is no deployment 'nope'; there is: fast"),
        ({"llm_config": {"temprature": 1}}, InvalidRequestError, "did you mean temperature"),
        ({"llm_config": {"gen.top_k": "many"}}, InvalidRequestError, "top_k is 'many'; it must be"),
        ({"conversations": []}, InvalidRequestError, "The conversation is empty"),
        ({"conversations": ["x"]}, InvalidRequestError, "Each message is a dict"),
        ({"conversations": [{"role": "bob", "content": "x"}]}, InvalidRequestError, "'bob'"),
        ({"conversations": [{"role": "user"}]}, InvalidRequestError, "content"),
    ],
)
def test_bad_input_is_one_sentence(
    fast: ByzerLLM, arguments: dict[str, object], error: type[Exception], sentence: str
) -> None:
    with pytest.raises(error, match=sentence):
        fast.chat_oai(**{"conversations": "hi", **arguments})  # type: ignore[arg-type]


def test_no_model_named() -> None:
    with pytest.raises(InvalidRequestError, match="No model was named"):
        ByzerLLM().chat_oai("hi")


def test_seed_names_of_sampling_parameters(fast: ByzerLLM) -> None:
    config = {
        "gen.max_new_tokens": "2",
        "generation.stop_token_ids": [7],
        "stopping_sequences": "a,b",
        "temperature": "0.1",
    }
    assert fast.chat_oai("hi", llm_config=config)[0].output == numbers(2)


def test_backends_have_both_spellings() -> None:
    assert InferBackend.transformers == InferBackend.Transformers == "transformers"
