"""A deployment's life on a real cluster: ready, failed, cancelled, lost, scaled, adopted."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import psutil
import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.session import session
from byzer_lab.cluster import processes
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import (
    ByzerLabError,
    ConflictError,
    DeployCancelledError,
    DeployFailedError,
    EngineDeadError,
    InvalidRequestError,
    ModelNotFoundError,
    NotReadyError,
    WorkerLostError,
)
from byzer_lab.records import DeploymentSpec, OperationRecord, WorkerRecord
from byzer_lab.types import GenerateRequest
from tests.conftest import COUNTING


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Fail when a condition does not come true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def workers_of(llm: ByzerLLM, name: str) -> list[WorkerRecord]:
    return llm._record(name).workers


def worker_processes(runtime: Runtime) -> list[psutil.Process]:
    """Processes of workers that run."""
    assert runtime.pid is not None
    found = []
    for process in processes.session_members(runtime.pid):
        try:
            if process.name().startswith("ray::Worker"):
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


@pytest.fixture
def counting(llm: ByzerLLM) -> ByzerLLM:
    return llm.setup_infer_backend(COUNTING)


def test_deploy_answers_and_undeploy_leaves_nothing(counting: ByzerLLM, cluster: Runtime) -> None:
    phases: list[str] = []
    meta = counting.deploy(
        udf_name="one",
        infer_params={"load_s": 1.0},
        progress=lambda operation: phases.append(operation.phase),
    )
    assert meta["backend"] == "counting"
    assert meta == counting.get_meta("one")
    assert "loading weights" in phases
    assert counting.is_model_exist("one")
    assert len(worker_processes(cluster)) == 1
    assert counting.chat_oai("hi", model="one", llm_config={"max_tokens": 3})[0].output == "1 2 3 "
    counting.undeploy("one")
    assert not counting.is_model_exist("one")
    wait_until(lambda: not worker_processes(cluster))
    with pytest.raises(ModelNotFoundError, match="There is no deployment 'one'; there is: none"):
        counting.chat_oai("hi", model="one")


def test_a_failed_deploy_shows_the_engines_words_and_leaves_no_process(
    counting: ByzerLLM, cluster: Runtime
) -> None:
    with pytest.raises(DeployFailedError, match="'bad' could not be deployed: no such tensor"):
        counting.deploy(udf_name="bad", infer_params={"fail": "no such tensor", "say": "hello"})
    assert not counting.is_model_exist("bad")
    wait_until(lambda: not worker_processes(cluster))
    record = counting._record("bad")
    assert record.state == "failed"
    assert record.error is not None
    wait_until(lambda: "hello" in [line.text for line in session().gateway.log("bad")])
    with pytest.raises(NotReadyError, match="'bad' has failed"):
        counting.chat_oai("hi", model="bad")
    counting.deploy(udf_name="bad")  # a failed name is free again
    assert counting.is_model_exist("bad")


def test_a_crash_while_loading_fails_the_deploy(counting: ByzerLLM) -> None:
    with pytest.raises(DeployFailedError, match="process ended unexpectedly"):
        counting.deploy(udf_name="crash", infer_params={"die": True})


def test_a_deploy_that_takes_too_long_fails(counting: ByzerLLM, cluster: Runtime) -> None:
    # What it was at depends on how quick the machine is.
    with pytest.raises(DeployFailedError, match=r"not ready after 4 s \(it was at: .+\); give"):
        counting.deploy(udf_name="slow", infer_params={"load_s": 60}, load_timeout_s=4)
    wait_until(lambda: not worker_processes(cluster))


def test_a_cancelled_deploy_leaves_nothing(counting: ByzerLLM, cluster: Runtime) -> None:
    def cancel(operation: OperationRecord) -> None:
        if operation.phase == "loading weights":
            session().gateway.cancel(operation.id)

    with pytest.raises(DeployCancelledError, match="The deploy of 'never' was cancelled"):
        counting.deploy(udf_name="never", infer_params={"load_s": 30}, progress=cancel)
    assert "never" not in [d.spec.name for d in session().gateway.state().deployments]
    wait_until(lambda: not worker_processes(cluster))


def test_an_interrupted_deploy_is_cancelled(counting: ByzerLLM) -> None:
    def interrupt(operation: OperationRecord) -> None:
        if operation.phase == "loading weights":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        counting.deploy(udf_name="halt", infer_params={"load_s": 30}, progress=interrupt)
    assert "halt" not in [d.spec.name for d in session().gateway.state().deployments]


def test_the_same_deploy_again_is_no_change_and_another_is_refused(counting: ByzerLLM) -> None:
    counting.deploy(udf_name="same")
    (worker,) = workers_of(counting, "same")
    counting.deploy(udf_name="same")
    assert [w.id for w in workers_of(counting, "same")] == [worker.id]
    with pytest.raises(ConflictError, match="'same' is already deployed, with other settings"):
        counting.deploy(udf_name="same", infer_params={"delay_s": 1})
    counting.deploy(udf_name="same", infer_params={"delay_s": 0.001}, replace=True)
    assert [w.id for w in workers_of(counting, "same")] != [worker.id]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"udf_name": "a b"}, "'a b' can't name a deployment"),
        ({"udf_name": ""}, "'' can't name a deployment"),
        ({"udf_name": "x", "load_timeout_s": 0}, "load_timeout_s is 0; it must be from 1"),
        ({"udf_name": "x", "infer_params": {"key": "${NOT_SET}"}}, "NOT_SET is not set"),
    ],
)
def test_bad_arguments_are_one_sentence(
    counting: ByzerLLM, change: dict[str, object], sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence.replace("(", r"\(")):
        counting.deploy(**change)  # type: ignore[arg-type]


def test_bad_settings_are_one_sentence(llm: ByzerLLM) -> None:
    with pytest.raises(InvalidRequestError, match="no backend 'transfomers'.*'transformers'"):
        llm.setup_infer_backend("transfomers").deploy(udf_name="x")
    with pytest.raises(DeployFailedError, match="can't be imported"):
        llm.setup_infer_backend("no.such:Engine").deploy(udf_name="x")
    llm.setup_infer_backend(COUNTING)
    with pytest.raises(InvalidRequestError, match="wants 99 GPUs, but the cluster's nodes have"):
        llm.setup_gpus_per_worker(99).deploy(udf_name="x")
    llm.setup_reset()
    with pytest.raises(InvalidRequestError, match="workers is 0; it must be a whole number from 1"):
        llm.setup_num_workers(0).deploy(udf_name="x")
    llm.setup_reset()
    with pytest.raises(InvalidRequestError, match="workers is .*; it must be a whole number"):
        llm.setup_num_workers("two").deploy(udf_name="x")  # type: ignore[arg-type]


def test_a_killed_worker_breaks_its_streams_and_is_replaced(counting: ByzerLLM) -> None:
    counting.deploy(udf_name="victim", infer_params={"delay_s": 0.02})
    (worker,) = workers_of(counting, "victim")
    stream = counting.stream_chat_oai("hi", model="victim", llm_config={"max_tokens": 1000})
    next(stream)
    os.kill(worker.pid, signal.SIGKILL)
    killed = time.monotonic()
    with pytest.raises(WorkerLostError, match=f"Worker {worker.id} of 'victim' was lost"):
        list(stream)
    assert time.monotonic() - killed < 2
    wait_until(lambda: counting._record("victim").replaced == 1)
    error = counting._record("victim").error
    assert error is None or worker.id in error["message"]
    wait_until(lambda: counting._record("victim").state == "ready")
    assert counting._record("victim").error is None
    assert workers_of(counting, "victim")[0].id != worker.id
    assert counting.chat_oai("hi", model="victim", llm_config={"max_tokens": 1})[0].output == "1 "


def test_one_of_two_workers_dies_and_nobody_waits(counting: ByzerLLM) -> None:
    counting.setup_num_workers(2).deploy(udf_name="pair", infer_params={"delay_s": 0.005})
    first, _ = workers_of(counting, "pair")
    outcomes: list[str] = []

    def ask() -> None:
        try:
            answer = counting.chat_oai("hi", model="pair", llm_config={"max_tokens": 60})
            outcomes.append(answer[0].output)
        except WorkerLostError:
            outcomes.append("lost")

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    time.sleep(0.15)
    os.kill(first.pid, signal.SIGKILL)
    for thread in threads:
        thread.join(timeout=30)
    whole = "".join(f"{number} " for number in range(1, 61))
    assert len(outcomes) == 20
    assert set(outcomes) <= {whole, "lost"}
    assert outcomes.count(whole) >= 8, "the other worker's answers must all be whole"


def test_an_engine_that_died_is_replaced(counting: ByzerLLM) -> None:
    counting.deploy(udf_name="dying")
    (worker,) = workers_of(counting, "dying")
    request = GenerateRequest(request_id="r", prompt="die")
    with pytest.raises(EngineDeadError, match="The batch is dead"):
        list(session().data_plane.stream("dying", request))
    wait_until(lambda: counting._record("dying").replaced == 1)
    wait_until(lambda: counting._record("dying").state == "ready")
    assert workers_of(counting, "dying")[0].id != worker.id


def test_scaling_up_and_down_drops_no_stream(counting: ByzerLLM, cluster: Runtime) -> None:
    counting.deploy(udf_name="scaled", infer_params={"delay_s": 0.02})
    gateway = session().gateway
    stream = counting.stream_chat_oai(
        "hi", model="scaled", delta_mode=True, llm_config={"max_tokens": 150}
    )
    text = next(stream)[0]
    (*_, end) = gateway.watch(gateway.scale("scaled", 3))
    assert end.state == "succeeded"
    assert len(workers_of(counting, "scaled")) == 3
    (*_, end) = gateway.watch(gateway.scale("scaled", 1))
    assert end.state == "succeeded"
    assert len(workers_of(counting, "scaled")) == 1
    text += "".join(item[0] for item in stream)
    assert text == "".join(f"{number} " for number in range(1, 151))
    wait_until(lambda: len(worker_processes(cluster)) == 1)


def test_undeploy_lets_requests_finish_unless_forced(counting: ByzerLLM) -> None:
    for force in (False, True):
        counting.deploy(udf_name="drain", infer_params={"delay_s": 0.02})
        stream = counting.stream_chat_oai("hi", model="drain", llm_config={"max_tokens": 60})
        next(stream)
        undeploying = threading.Thread(target=counting.undeploy, args=("drain", force))
        undeploying.start()
        if force:
            with pytest.raises(WorkerLostError):
                list(stream)
        else:
            *_, last = stream
            assert last[1].finish_reason == "stop"
        undeploying.join(timeout=30)
        assert not counting.is_model_exist("drain")


def test_the_registry_dies_and_adopts_its_workers(counting: ByzerLLM, cluster: Runtime) -> None:
    counting.deploy(udf_name="adopted", infer_params={"delay_s": 0.02})
    (worker,) = workers_of(counting, "adopted")
    epoch = session().gateway.state().epoch
    stream = counting.stream_chat_oai("hi", model="adopted", llm_config={"max_tokens": 300})
    next(stream)
    assert cluster.pid is not None
    for process in processes.session_members(cluster.pid):
        if process.name() == "ray::Registry":
            process.kill()
    wait_until(lambda: session().gateway.state().epoch != epoch)
    wait_until(lambda: counting._record("adopted").state == "ready")
    assert [w.id for w in workers_of(counting, "adopted")] == [worker.id]
    *_, last = stream
    assert last[1].finish_reason == "stop"
    os.kill(worker.pid, signal.SIGKILL)  # and it watches them again
    wait_until(lambda: counting._record("adopted").replaced == 1)


def test_the_gateway_dies_and_comes_back_at_its_address(counting: ByzerLLM) -> None:
    runtime = session().runtime
    assert runtime.pid is not None
    gateways = [
        process
        for process in processes.session_members(runtime.pid)
        if process.name() == "ray::Gateway"
    ]
    (old,) = gateways
    old.kill()
    old.wait(10)

    def back() -> bool:
        try:
            session().gateway.state()
        except ByzerLabError:
            return False
        return True

    wait_until(back)
    assert session().runtime.url == runtime.url


def test_logs_are_live_and_hold_no_secret(
    counting: ByzerLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "s3cr3t-value")
    counting.deploy(
        udf_name="quiet", infer_params={"say": "key is ${A_SECRET}", "key": "${A_SECRET}"}
    )
    gateway = session().gateway
    wait_until(lambda: any("key is ******" in line.text for line in gateway.log("quiet")))
    seen = gateway.log("quiet")[-1].seq
    stream = counting.stream_chat_oai("hi", model="quiet", llm_config={"max_tokens": 10**6})
    next(stream)
    stream.close()
    assert any("cancelled" in line.text for line in gateway.log("quiet", after=seen, wait=10))
    assert counting.get_meta("quiet")["secret_was"] == "******"
    everything = str(gateway.state()) + str(gateway.log("quiet"))
    assert "s3cr3t-value" not in everything
    assert "${A_SECRET}" in everything


def test_revisions_hold_only_what_changed(counting: ByzerLLM, cluster: Runtime) -> None:
    import httpx

    client = httpx.Client(
        base_url=cluster.url, headers={"Authorization": f"Bearer {cluster.token}"}, timeout=30
    )
    full = client.get("/api/state").json()
    assert full["full"]
    counting.deploy(udf_name="fresh")
    since = {"since": full["rev"], "epoch": full["epoch"]}
    delta = client.get("/api/state", params=since).json()
    assert not delta["full"]
    assert [d["spec"]["name"] for d in delta["deployments"]] == ["fresh"]
    since = {"since": delta["rev"], "epoch": delta["epoch"], "wait": 20}
    threading.Timer(0.3, counting.undeploy, args=("fresh",)).start()
    began = time.monotonic()
    later = client.get("/api/state", params=since).json()
    assert time.monotonic() - began < 5
    assert later["rev"] > delta["rev"]
    wait_until(lambda: not counting.is_model_exist("fresh"))
    since["wait"] = 0
    assert client.get("/api/state", params=since).json()["removed"] == ["fresh"]
    assert client.get("/api/state", params={**since, "epoch": "other"}).json()["full"]
    assert client.get("/api/state", params={"since": "x"}).status_code == 400


def test_a_spec_survives_its_json() -> None:
    import msgspec

    spec = DeploymentSpec(name="a", infer_params={"x": [1, "y"]})
    assert msgspec.json.decode(msgspec.json.encode(spec), type=DeploymentSpec) == spec
