"""The number of workers by their load, on a clock of the test's own."""

from __future__ import annotations

from byzer_lab.records import DeploymentSpec, Load, WorkerRecord
from byzer_lab.registry.autoscaler import UP_AFTER_S, Autoscaler


def spec(workers: int = 1) -> DeploymentSpec:
    return DeploymentSpec(
        name="x",
        workers=workers,
        worker_concurrency=10,
        min_workers=1,
        max_workers=4,
        scale_down_after_s=60,
    )


def loaded(*requests: int) -> list[WorkerRecord]:
    return [
        WorkerRecord(
            id=f"w{n}", state="ready", load=Load(in_flight=min(10, r), queued=r - min(10, r))
        )
        for n, r in enumerate(requests)
    ]


def test_lasting_load_adds_workers_and_a_burst_does_not() -> None:
    scaler = Autoscaler()
    assert scaler.wanted(spec(), loaded(25), 100.0) == 1
    assert scaler.wanted(spec(), loaded(3), 101.0) == 1  # it was a burst
    assert scaler.wanted(spec(), loaded(25), 102.0) == 1
    assert scaler.wanted(spec(), loaded(25), 102.0 + UP_AFTER_S) == 4  # 8 requests for each
    assert scaler.wanted(spec(), loaded(500), 110.0) == 1
    assert scaler.wanted(spec(), loaded(500), 110.0 + UP_AFTER_S) == 4  # no more than allowed


def test_a_share_of_the_slots_is_kept_free() -> None:
    scaler = Autoscaler()
    for now in (0.0, UP_AFTER_S, 9.0):
        assert scaler.wanted(spec(), loaded(8), now) == 1
    scaler.wanted(spec(), loaded(9), 10.0)
    assert scaler.wanted(spec(), loaded(9), 10.0 + UP_AFTER_S) == 2


def test_fewer_workers_come_late_and_never_below_the_least() -> None:
    scaler = Autoscaler()
    assert scaler.wanted(spec(4), loaded(0, 0, 0, 0), 0.0) == 4
    assert scaler.wanted(spec(4), loaded(0, 0, 0, 0), 59.0) == 4
    assert scaler.wanted(spec(4), loaded(9, 9, 9, 0), 59.5) == 4  # they are needed again
    assert scaler.wanted(spec(4), loaded(0, 0, 0, 0), 61.0) == 4
    assert scaler.wanted(spec(4), loaded(0, 0, 0, 0), 121.0) == 1


def test_workers_that_load_have_no_load_of_their_own() -> None:
    scaler = Autoscaler()
    coming = [WorkerRecord(id="new", state="loading", load=Load(in_flight=50))]
    scaler.wanted(spec(), coming, 0.0)
    assert scaler.wanted(spec(), coming, 10.0) == 1
