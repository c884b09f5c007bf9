"""A job's life on a real cluster: completed, failed, stopped, cancelled, lost, adopted, deleted."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.client.gateway import GatewayClient
from byzer_lab.client.session import session
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ConflictError, InvalidRequestError, NotFoundError
from byzer_lab.jobs import JobRecord, JobSpec
from tests.registry.test_deployments import wait_until
from tests.support.jobs import COUNTING_JOB
from tests.support.processes import job_processes, kill_registry


@pytest.fixture
def gateway(cluster: Runtime) -> Iterator[GatewayClient]:
    """The control API; whatever jobs a test began are gone after it."""
    gateway = session().gateway
    yield gateway
    for record in gateway.state().jobs:
        gateway.delete_job(record.spec.name, force=True)
    wait_until(lambda: not job_processes(cluster))


class Asking:
    """Begins jobs that count in a folder of their own."""

    def __init__(self, gateway: GatewayClient, folder: Path) -> None:
        self._gateway = gateway
        self._folder = folder

    def __call__(self, name: str = "counting", replace: bool = False, **given: Any) -> JobRecord:
        fields = {k: given.pop(k) for k in list(given) if k in JobSpec.__struct_fields__}
        secrets = given.pop("secrets", {})
        spec = JobSpec(
            name=name,
            kind=fields.pop("kind", COUNTING_JOB),
            model_path="bundled",
            path_prefix=fields.pop("path_prefix", str(self._folder)),
            parameters=given,
            **fields,
        )
        return self._gateway.submit_job(spec, secrets=secrets, replace=replace)


@pytest.fixture
def begin(gateway: GatewayClient, tmp_path: Path) -> Asking:
    return Asking(gateway, tmp_path)


def ended(gateway: GatewayClient, name: str = "counting") -> JobRecord:
    """How a job ended."""
    deadline = time.monotonic() + 90
    record = gateway.job(name)
    while record.finished_at is None:
        assert time.monotonic() < deadline, f"it did not end: {record}"
        record = gateway.job(name, since=record.rev, wait=5.0)
    return record


def reaches(gateway: GatewayClient, step: int, name: str = "counting") -> JobRecord:
    wait_until(lambda: gateway.job(name).step >= step)
    return gateway.job(name)


def log_of(gateway: GatewayClient, name: str = "counting") -> list[str]:
    return [line.text for line in gateway.job_log(name)]


def test_a_jobs_life(begin: Asking, gateway: GatewayClient, cluster: Runtime) -> None:
    before = gateway.state()
    secrets = {"MY_KEY": "open-sesame-42"}
    asked = begin(steps=6, say="the key is ${MY_KEY}", secrets=secrets)
    assert (asked.state, asked.attempt) == ("queued", 1)
    record = ended(gateway)
    assert (record.state, record.step, record.total_steps) == ("completed", 6, 6)
    assert (record.error, record.result) == (None, {"sum": 21})
    assert record.artefacts == {"model": record.spec.folder}
    assert [checkpoint.step for checkpoint in record.checkpoints] == [2, 4, 6]
    assert record.point.step == 6
    assert record.point.loss == pytest.approx(1 / 6)
    assert record.started_at is not None
    assert record.created_at <= record.started_at <= (record.finished_at or 0)
    assert record.warnings == ["attempt 1 begins at step 0"]
    assert [point.step for point in gateway.job_points("counting")] == [1, 2, 3, 4, 5, 6]
    assert [point.step for point in gateway.job_points("counting", after=4)] == [5, 6]
    assert gateway.job_points("counting", after=10**30) == []
    assert log_of(gateway) == ["the key is ******", "counted"]

    folder = Path(record.spec.folder)
    assert folder.name.startswith("counting-")
    written = json.loads((folder / "job.json").read_text())
    assert written["spec"]["parameters"]["say"] == "the key is ${MY_KEY}"
    wait_until(lambda: not job_processes(cluster))

    since = gateway.state(since=before.rev, epoch=before.epoch)
    assert not since.full
    assert [job.state for job in since.jobs] == ["completed"]
    assert gateway.state(since=since.rev, epoch=since.epoch).jobs == []
    with pytest.raises(ConflictError, match="is a job 'counting' already, which is completed"):
        begin()
    with pytest.raises(ConflictError, match="is completed; there is nothing to resume"):
        gateway.resume_job("counting")
    gateway.delete_job("counting")
    assert folder.is_dir()
    gone = gateway.state(since=since.rev, epoch=since.epoch)
    assert gone.removed_jobs == ["counting"]
    assert gateway.state().jobs == []
    with pytest.raises(NotFoundError, match="There is no job 'counting'; there is: none"):
        gateway.job("counting")
    with pytest.raises(NotFoundError):
        gateway.job_log("counting")


def test_jobs_that_fail_are_replaced_and_deleted(
    begin: Asking, gateway: GatewayClient, cluster: Runtime
) -> None:
    begin("wrong", fail="row 7 has ${MY_KEY}; give it one.", secrets={"MY_KEY": "open-sesame-42"})
    begin("crashing", crash="bad shape")
    begin("missing", kind="tests.support.jobs:nothing")
    said = {}
    for name in ("wrong", "crashing", "missing"):
        record = ended(gateway, name)
        assert (record.state, record.attempt) == ("failed", 1)
        assert record.error is not None
        said[name] = (record.error["code"], record.error["message"])
    assert said == {
        "wrong": ("invalid_request", "row 7 has ******; give it one."),
        "crashing": ("engine", "ValueError: bad shape"),
        "missing": (
            "invalid_request",
            "tests.support.jobs has no function 'nothing' for the job.",
        ),
    }
    assert any(line.startswith("Traceback") for line in log_of(gateway, "crashing"))

    gone = Path(gateway.job("crashing").spec.folder)
    gateway.delete_job("crashing", files=True)
    assert not gone.exists()
    foreign = Path(gateway.job("missing").spec.folder)
    (foreign / "job.json").unlink()
    with pytest.raises(ConflictError, match="was not made by the job 'missing'"):
        gateway.delete_job("missing", files=True)
    assert foreign.is_dir()

    first = gateway.job("wrong")
    again = begin("wrong", replace=True, steps=10_000, step_s=0.05, deaf=True)
    assert (again.id != first.id, again.spec.folder != first.spec.folder) == (True, True)
    reaches(gateway, 1, "wrong")
    with pytest.raises(ConflictError, match="'wrong' is running; stop it first"):
        begin("wrong", replace=True)
    with pytest.raises(ConflictError, match="The job 'wrong' is working in"):
        begin("second", folder=again.spec.folder)
    with pytest.raises(ConflictError, match="is running; stop or cancel it before"):
        gateway.delete_job("wrong")
    gateway.delete_job("wrong", force=True)
    wait_until(lambda: not job_processes(cluster))


def test_wrong_jobs_are_refused_before_anything_is_made(
    begin: Asking, gateway: GatewayClient, tmp_path: Path
) -> None:
    file = tmp_path / "a-file"
    file.touch()
    for fields, sentence in (
        ({"name": "no/name"}, "'no/name' can't name a job"),
        ({"kind": "tuning"}, "There is no kind of job 'tuning'; there is: sft, dpo, sfft"),
        ({"workers": 0}, "workers is 0; it must be from 1"),
        ({"gpus_per_worker": 64.0}, "One worker of 'counting' wants 64 GPUs, but the cluster"),
        ({"resources": {"unicorns": 1.0}}, "wants 1 unicorns, but the cluster"),
        ({"path_prefix": str(file)}, "can't be written \\(Not a directory\\); name another place"),
        ({"kind": "merge"}, "adapters is missing"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            begin(**fields)
    assert gateway.state().jobs == []
    assert list(tmp_path.iterdir()) == [file]


def test_a_killed_process_is_started_again_and_a_stopped_job_resumes(
    begin: Asking, gateway: GatewayClient
) -> None:
    begin(steps=40, step_s=0.1, save_steps=2, die_at=[5])
    wait_until(lambda: gateway.job("counting").attempt == 2)
    reaches(gateway, 7)
    lost = (
        "Its process ended unexpectedly (killed, crashed or out of memory) at step 5; "
        "attempt 2 goes on from checkpoint 4."
    )
    assert lost in gateway.job("counting").warnings
    assert lost in log_of(gateway)
    stopping = gateway.stop_job("counting")
    assert (stopping.state, stopping.phase) == ("stopping", "saving what it has")
    record = ended(gateway)
    assert (record.state, record.attempt) == ("stopped", 2)
    assert record.checkpoints[-1].step == record.step < 40
    with pytest.raises(ConflictError, match="is stopped; there is nothing to stop"):
        gateway.stop_job("counting")
    resumed = gateway.resume_job("counting")
    assert (resumed.state, resumed.attempt, resumed.finished_at) == ("queued", 3, None)
    end = ended(gateway)
    assert (end.state, end.result["sum"]) == ("completed", sum(range(41)))
    assert f"attempt 3 begins at step {record.step}" in end.warnings
    assert [p.step for p in gateway.job_points("counting")] == list(range(1, 41))


def test_a_job_waits_for_its_place_and_says_for_what(begin: Asking, gateway: GatewayClient) -> None:
    total = gateway.state().cluster.cpus.total
    begin("holding", steps=10_000, step_s=0.05, cpus_per_worker=total)
    reaches(gateway, 1, "holding")
    begin("one", steps=1, cpus_per_worker=1.0)
    begin("two", steps=10_000, step_s=0.05, deaf=True, workers=2, cpus_per_worker=total / 2)
    for name in ("one", "two"):
        wait_until(lambda name=name: "waiting for" in gateway.job(name).phase)
        assert f"(0 of {total:g} free)" in gateway.job(name).phase
    assert f"waiting for {total:g} CPU" in gateway.job("two").phase
    gateway.cancel_job("holding")
    assert ended(gateway, "one").state == "completed"
    reaches(gateway, 1, "two")
    assert gateway.state().cluster.cpus.used == total
    gateway.delete_job("two", force=True)  # what its processes had reserved is given back
    wait_until(lambda: gateway.state().cluster.cpus.used == 0)


def test_jobs_outlive_the_registry_or_go_on_after_it(begin: Asking, gateway: GatewayClient) -> None:
    begin("long", steps=60, step_s=0.1)
    begin("dying", steps=40, step_s=0.1)
    dying = reaches(gateway, 3, "dying").pid
    pid = reaches(gateway, 3, "long").pid
    killer = threading.Thread(target=kill_registry)
    killer.start()
    os.kill(dying, signal.SIGKILL)
    killer.join()
    record = ended(gateway, "long")
    assert (record.state, record.attempt, record.pid) == ("completed", 1, pid)
    assert [point.step for point in gateway.job_points("long")] == list(range(1, 61))
    assert log_of(gateway, "long") == ["counted"]
    record = ended(gateway, "dying")
    assert record.state == "completed"
    assert record.attempt in (2, 3)  # the registry may die with the next attempt half begun
    assert record.result == {"sum": sum(range(41))}
