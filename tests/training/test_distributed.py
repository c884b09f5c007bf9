"""Groups of processes: what the first one says arrives, a stop reaches all, an error ends it."""

from __future__ import annotations

from pathlib import Path

from byzer_lab.cluster.runtime import Runtime
from byzer_lab.jobs import JobSpec
from tests.support.loops import drive


def test_a_group_is_heard_and_hears(cluster: Runtime, tmp_path: Path) -> None:
    folder = str(tmp_path)
    spec = JobSpec(name="pair", kind="sft", model_path="bundled", folder=folder, workers=2)
    outcome = drive(cluster, "count", spec, "stop")
    assert outcome["error"]["message"] == "Row 3 has no answer."  # as it was raised there, once
    assert outcome["error"]["details"] == {"row": 3}
    assert outcome["points"] == [[step, 2.0] for step in range(1, 11)]
    begun = [line for line in outcome["printed"] if line.endswith("begins")]
    assert begun == ["rank 0 of 2 begins"]
