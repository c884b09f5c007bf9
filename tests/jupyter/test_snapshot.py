"""Merging deltas, and answering them."""

from __future__ import annotations

from typing import Any

import pytest
from fake_gateway import deployment, job

from byzer_lab.jupyter.snapshot import ENDED_OPERATIONS_KEPT, MergedState
from byzer_lab.records import ClusterRecord, OperationRecord, StateSnapshot


def update(rev: int, full: bool = False, epoch: str = "e", **fields: Any) -> StateSnapshot:
    cluster = ClusterRecord(address="127.0.0.1:6379")
    return StateSnapshot(epoch=epoch, rev=rev, full=full, cluster=cluster, **fields)


@pytest.fixture
def state() -> MergedState:
    state = MergedState()
    state.merge(update(10, full=True, deployments=[deployment("a", rev=3), deployment("b", rev=9)]))
    return state


def names(snapshot: StateSnapshot | None) -> list[str]:
    assert snapshot is not None
    return [record.spec.name for record in snapshot.deployments]


def test_nothing_is_known_before_the_first_snapshot():
    assert MergedState().since(None, None) is None


def test_a_newcomer_gets_everything(state: MergedState):
    snapshot = state.since(None, None)
    assert snapshot is not None
    assert snapshot.full
    assert names(snapshot) == ["a", "b"]


def test_only_what_changed_since_is_sent(state: MergedState):
    state.merge(update(12, deployments=[deployment("b", rev=12)]))
    snapshot = state.since("e", 10)
    assert snapshot is not None
    assert not snapshot.full
    assert names(snapshot) == ["b"]


def test_a_removal_reaches_those_who_have_not_seen_it(state: MergedState):
    state.merge(update(11, removed=["a"]))
    assert state.since("e", 10).removed == ["a"]  # type: ignore[union-attr]
    assert state.since("e", 11).removed == []  # type: ignore[union-attr]
    assert names(state.since(None, None)) == ["b"]


def test_a_name_that_is_deployed_again_is_not_removed(state: MergedState):
    state.merge(update(11, removed=["a"]))
    state.merge(update(12, deployments=[deployment("a", rev=12)]))
    snapshot = state.since("e", 10)
    assert snapshot is not None
    assert snapshot.removed == []
    assert names(snapshot) == ["a"]


@pytest.mark.parametrize(
    ("epoch", "rev"), [("other", 10), ("e", 5), ("e", 99), ("e", None), (None, 10)]
)
def test_whoever_it_cannot_vouch_for_gets_everything(
    state: MergedState, epoch: str | None, rev: int | None
):
    snapshot = state.since(epoch, rev)
    assert snapshot is not None
    assert snapshot.full


def test_a_new_epoch_replaces_everything(state: MergedState):
    assert state.merge(update(1, full=True, epoch="f", deployments=[deployment("c", rev=1)]))
    assert names(state.since("e", 10)) == ["c"]


def test_the_same_revision_is_no_news(state: MergedState):
    assert not state.merge(update(10))
    assert not state.merge(update(10, full=True))


def test_old_ended_operations_are_forgotten_and_running_ones_kept(state: MergedState):
    ended = [
        OperationRecord(
            id=str(n), kind="deploy", deployment="a", state="succeeded", finished_at=n, rev=11
        )
        for n in range(ENDED_OPERATIONS_KEPT + 5)
    ]
    running = OperationRecord(id="now", kind="deploy", deployment="a", rev=11)
    state.merge(update(11, operations=[running, *ended]))
    kept = {record.id for record in state.since("e", 10).operations}  # type: ignore[union-attr]
    assert len(kept) == ENDED_OPERATIONS_KEPT + 1
    assert "now" in kept
    assert "0" not in kept


def test_jobs_are_merged_as_deployments_are(state: MergedState):
    state.merge(update(11, jobs=[job("a", rev=11), job("b", rev=11)]))
    state.merge(update(12, removed_jobs=["a"]))
    snapshot = state.since("e", 11)
    assert snapshot is not None
    assert (snapshot.jobs, snapshot.removed_jobs, snapshot.removed) == ([], ["a"], [])
    everything = state.since(None, None)
    assert everything is not None
    assert [record.spec.name for record in everything.jobs] == ["b"]
    assert names(everything) == ["a", "b"]  # a deployment and a job may share a name
    state.merge(update(13, full=True))
    assert state.since("e", 13).jobs == []  # type: ignore[union-attr]
