"""A short soak; ``python -m tests.support.soak`` runs a long one."""

from __future__ import annotations

from byzer_lab.cluster.runtime import Runtime
from tests.support.soak import problems, soak


def test_deploys_and_undeploys_leave_nothing_behind(cluster: Runtime) -> None:
    assert cluster.pid is not None
    before, after, answers = soak(cluster.pid, rounds=3)
    assert answers > 0
    assert not problems(before, after)
