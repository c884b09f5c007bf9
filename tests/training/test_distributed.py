"""Groups of processes: what they say arrives, and one that is killed is made good."""

from __future__ import annotations

from pathlib import Path

from byzer_lab.cluster.runtime import Runtime
from byzer_lab.jobs import JobSpec
from tests.support.loops import drive


def pair(folder: Path) -> JobSpec:
    return JobSpec(name="pair", kind="sft", model_path="bundled", folder=str(folder), workers=2)


def test_a_killed_rank_is_made_good_and_a_stop_reaches_all(
    cluster: Runtime, tmp_path: Path
) -> None:
    outcome = drive(cluster, "count", pair(tmp_path), stop_at=10)
    assert outcome["result"] == {"steps": 10, "ranks": 2}
    assert (tmp_path / "killed").exists()
    assert outcome["points"] == list(range(1, 11))
    begun = [line for line in outcome["printed"] if "goes on from step" in line]
    assert begun == ["rank 0 goes on from step 0", "rank 0 goes on from step 4"]
    assert any("was lost at step 4; the group is started" in line for line in outcome["printed"])


def test_a_loops_own_error_is_not_tried_again(cluster: Runtime, tmp_path: Path) -> None:
    outcome = drive(cluster, "refuse", pair(tmp_path))
    assert outcome["error"]["message"] == "Row 3 has no answer."
    assert outcome["error"]["details"] == {"row": 3}
