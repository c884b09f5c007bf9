"""Changes that meet: two at once, one during another, a restart of the registry in the middle."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil
import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.session import session
from byzer_lab.cluster import processes
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import (
    ByzerLabError,
    ConflictError,
    DeployFailedError,
    InvalidRequestError,
)
from byzer_lab.records import DeploymentSpec, OperationRecord
from tests.conftest import COUNTING
from tests.registry.test_deployments import wait_until, worker_processes, workers_of


@pytest.fixture
def counting(llm: ByzerLLM) -> ByzerLLM:
    return llm.setup_infer_backend(COUNTING)


def spec(name: str, **infer_params: object) -> DeploymentSpec:
    return DeploymentSpec(name=name, backend=COUNTING, infer_params=infer_params)


def begin(wanted: DeploymentSpec, *, replace: bool = False) -> OperationRecord:
    return session().gateway.deploy(wanted, secrets={}, replace=replace)


def end_of(operation: OperationRecord) -> OperationRecord:
    *_, last = session().gateway.watch(operation)
    return last


def test_a_replace_during_a_deploy_ends_both(counting: ByzerLLM, cluster: Runtime) -> None:
    first = begin(spec("twice", load_s=20))
    second = begin(spec("twice", delay_s=0.001), replace=True)
    assert end_of(first).state == "cancelled"
    assert end_of(second).state == "succeeded"
    assert session().gateway.cancel(first.id).state == "cancelled"  # no longer its business
    assert counting.is_model_exist("twice")
    wait_until(lambda: len(worker_processes(cluster)) == 1)


def test_two_replaces_at_once_leave_one_worker(counting: ByzerLLM, cluster: Runtime) -> None:
    counting.deploy(udf_name="raced")
    operations = [begin(spec("raced", delay_s=n / 1000), replace=True) for n in (1, 2, 3)]
    ends = [end_of(operation).state for operation in operations]
    assert ends.count("succeeded") == 1
    assert set(ends) == {"succeeded", "cancelled"}
    wait_until(lambda: len(worker_processes(cluster)) == 1)
    counting.undeploy("raced", force=True)
    wait_until(lambda: not worker_processes(cluster))


def test_two_first_deploys_at_once_are_one(counting: ByzerLLM) -> None:
    outcomes: list[object] = []

    def ask(number: int) -> None:
        try:
            outcomes.append(end_of(begin(spec("first", load_s=0.5, number=number))).state)
        except ConflictError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(map(type, outcomes), key=str) == [ConflictError, str]


def test_a_scale_that_fails_ends_and_keeps_what_is_ready(
    counting: ByzerLLM, tmp_path: Path
) -> None:
    counting.deploy(udf_name="full", infer_params={"once": str(tmp_path / "loaded")})
    (worker,) = workers_of(counting, "full")
    last = end_of(session().gateway.scale("full", 2))
    assert last.state == "failed"
    assert last.error is not None
    assert "CUDA out of memory" in last.error["message"]
    record = counting._record("full")
    assert [w.id for w in record.workers] == [worker.id]
    assert (record.state, record.spec.workers) == ("ready", 1)


def test_a_scale_can_be_cancelled_and_superseded(counting: ByzerLLM) -> None:
    counting.deploy(udf_name="scaled", infer_params={"load_s": 1.0})
    gateway = session().gateway
    first = gateway.scale("scaled", 3)
    second = gateway.scale("scaled", 2)
    assert end_of(first).state == "cancelled"
    assert gateway.cancel(second.id).state == "cancelled"
    wait_until(lambda: len(workers_of(counting, "scaled")) == 1)
    assert counting._record("scaled").spec.workers == 1


def test_a_worker_without_a_place_harms_nobody(counting: ByzerLLM) -> None:
    cpus = session().gateway.state().cluster.cpus.total
    counting.setup_cpus_per_worker(cpus - 1).deploy(udf_name="neighbour")
    counting.setup_cpus_per_worker(0.9)
    counting.deploy(udf_name="large", infer_params={"delay_s": 0.02}, load_timeout_s=15)
    stream = counting.stream_chat_oai("hi", model="large", llm_config={"max_tokens": 10_000})
    next(stream)
    operation = session().gateway.scale("large", 2)
    newest = counting._record("large").workers[-1]
    assert (newest.state, newest.index) == ("queued", 1)
    assert newest.phase == f"waiting for 0.9 CPUs (0.1 of {cpus:g} free)"
    # It has no place for longer than a worker may take to load.
    wait_until(lambda: counting._record("large").error is not None)
    next(stream)
    assert counting._record("large").state == "ready"
    session().gateway.cancel(operation.id)
    stream.close()


def test_what_can_never_fit_is_refused_at_once(counting: ByzerLLM) -> None:
    cpus = session().gateway.state().cluster.cpus.total
    sentence = f"'wide' wants 9 workers of {cpus:g} CPUs each, but .* which is room for 1"
    with pytest.raises(InvalidRequestError, match=sentence):
        counting.setup_cpus_per_worker(cpus).setup_num_workers(9).deploy(udf_name="wide")
    with pytest.raises(InvalidRequestError, match=r"wants .* and 2 GPUs, but .* and 0 GPUs; ask"):
        counting.setup_num_workers(1).setup_gpus_per_worker(2).deploy(udf_name="wide")
    counting.setup_reset()
    counting.setup_infer_backend(COUNTING).setup("resource.moon", 1)
    with pytest.raises(InvalidRequestError, match=r"wants 1 moon, but .* 0 moon; ask for less"):
        counting.deploy(udf_name="wide")
    counting.setup_reset()
    counting.setup_infer_backend(COUNTING).setup_cpus_per_worker(cpus)
    counting.deploy(udf_name="narrow")
    with pytest.raises(InvalidRequestError, match="'narrow' wants 2 workers of"):
        session().gateway.scale("narrow", 2)
    assert not counting.is_model_exist("wide")


def test_the_number_of_workers_follows_the_load(counting: ByzerLLM) -> None:
    counting.setup_worker_concurrency(2).setup_autoscaling(1, 2, scale_down_after_s=1.0)
    counting.deploy(udf_name="elastic", infer_params={"delay_s": 0.02})
    ask = {"model": "elastic", "llm_config": {"max_tokens": 100_000}}
    streams = [counting.stream_chat_oai("hi", **ask) for _ in range(2)]  # type: ignore[arg-type]
    for stream in streams:
        next(stream)
    wait_until(lambda: len(workers_of(counting, "elastic")) == 2)
    with pytest.raises(ConflictError, match="'elastic' follows its load, from 1 to 2 workers"):
        session().gateway.scale("elastic", 1)
    streams.pop().close()
    wait_until(lambda: counting._record("elastic").spec.workers == 1)
    next(streams[0])  # no stream is broken off
    streams[0].close()
    wait_until(lambda: len(workers_of(counting, "elastic")) == 1)


def test_the_old_deployment_never_speaks_for_the_new(counting: ByzerLLM, tmp_path: Path) -> None:
    counting.deploy(udf_name="heir", infer_params={"once": str(tmp_path / "loaded")})
    session().gateway.scale("heir", 2)
    wait_until(lambda: counting._record("heir").error is not None)  # it will try again in 2 s
    counting.deploy(udf_name="heir", infer_params={"delay_s": 0.001}, replace=True)
    time.sleep(5)
    record = counting._record("heir")
    assert (record.state, len(record.workers)) == ("ready", 1)
    assert record.spec.infer_params == {"delay_s": 0.001}


def test_undeploy_waits_for_workers_that_drain_already(counting: ByzerLLM) -> None:
    counting.setup_num_workers(2).deploy(udf_name="both", infer_params={"delay_s": 0.02})
    ask = {"model": "both", "llm_config": {"max_tokens": 150}}
    streams = [counting.stream_chat_oai("hi", **ask) for _ in range(2)]  # type: ignore[arg-type]
    for stream in streams:
        next(stream)
    session().gateway.scale("both", 1)
    undeploying = threading.Thread(target=counting.undeploy, args=("both",))
    undeploying.start()
    for stream in streams:
        *_, last = stream
        assert last[1].finish_reason == "stop"
    undeploying.join(30)
    assert not counting.is_model_exist("both")


def test_the_same_deploy_with_other_workers_scales(counting: ByzerLLM) -> None:
    counting.deploy(udf_name="grown")
    (worker,) = workers_of(counting, "grown")
    counting.setup_num_workers(2).deploy(udf_name="grown")
    assert len(workers_of(counting, "grown")) == 2
    counting.setup_num_workers(1).deploy(udf_name="grown")
    assert [w.id for w in workers_of(counting, "grown")] == [worker.id]


def test_the_same_deploy_with_another_secret_is_another(
    counting: ByzerLLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "first-value")
    counting.deploy(udf_name="keyed", infer_params={"key": "${A_KEY}"})
    monkeypatch.setenv("A_KEY", "second-value")
    with pytest.raises(ConflictError):
        counting.deploy(udf_name="keyed", infer_params={"key": "${A_KEY}"})


def test_the_registry_dies_during_an_undeploy(counting: ByzerLLM, cluster: Runtime) -> None:
    counting.deploy(udf_name="leaving", infer_params={"delay_s": 0.02})
    stream = counting.stream_chat_oai("hi", model="leaving", llm_config={"max_tokens": 400})
    next(stream)
    gateway = session().gateway
    operation = gateway.undeploy("leaving")
    assert cluster.pid is not None
    for process in processes.session_members(cluster.pid):
        if process.name() == "ray::Registry":
            process.kill()
    *_, last = stream
    assert last[1].finish_reason == "stop"
    assert end_of(operation).state == "succeeded"
    wait_until(lambda: not worker_processes(cluster))


def test_an_own_engine_that_was_mended_is_found(
    counting: ByzerLLM,
) -> None:
    module = Path(__file__).parent / "own_engine_of_a_user.py"
    try:
        module.write_text("")
        counting.setup_infer_backend("tests.registry.own_engine_of_a_user:Mine")
        with pytest.raises(DeployFailedError, match="can't be imported"):
            counting.deploy(udf_name="own")
        module.write_text("from tests.support.engines import CountingEngine as Mine\n")
        counting.deploy(udf_name="own")
        assert counting.chat_oai("hi", model="own", llm_config={"max_tokens": 1})[0].output == "1 "
    finally:
        module.unlink()


def test_a_worker_that_dies_whenever_it_is_ready_is_not_restarted_without_pause(
    counting: ByzerLLM,
) -> None:
    counting.deploy(udf_name="frail")
    for _ in range(3):
        wait_until(lambda: counting._record("frail").state == "ready")
        (worker,) = workers_of(counting, "frail")
        replaced = counting._record("frail").replaced
        psutil.Process(worker.pid).kill()
        wait_until(lambda before=replaced: counting._record("frail").replaced > before)  # type: ignore[misc]
    assert counting._record("frail").replaced == 3
    assert not workers_of(counting, "frail"), "the third one comes after a pause"
    with pytest.raises(ByzerLabError):
        counting.chat_oai("hi", model="frail")
