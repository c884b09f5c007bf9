"""Groups of processes: what they say arrives, and one that is killed is made good."""

from __future__ import annotations

from pathlib import Path

from byzer_lab.cluster.runtime import Runtime
from tests.support.loops import drive


def test_a_killed_rank_is_made_good(cluster: Runtime, tmp_path: Path) -> None:
    outcome = drive(cluster, "count", tmp_path)
    assert outcome["result"] == {"steps": 10, "ranks": 2}
    assert (tmp_path / "killed").exists()
    assert outcome["points"][-1] == 10
    assert "rank 0 goes on from step 0\n" in outcome["printed"]
    assert "rank 0 goes on from step 4\n" in outcome["printed"]
    assert "rank 1" not in outcome["printed"]
    assert "a process of the training was lost at step 4" in outcome["printed"]


def test_a_loops_own_error_is_not_tried_again(cluster: Runtime, tmp_path: Path) -> None:
    outcome = drive(cluster, "refuse", tmp_path)
    assert outcome["error"]["message"] == "Row 3 has no answer."
    assert outcome["error"]["details"] == {"row": 3}


def test_a_stop_reaches_every_rank(cluster: Runtime, tmp_path: Path) -> None:
    assert drive(cluster, "wait_for_a_stop", tmp_path, stop=True)["result"] == {"stopped": True}
