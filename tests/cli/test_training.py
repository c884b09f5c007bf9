"""``byzer-lab train`` and ``byzer-lab jobs`` against a real cluster, as processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

from byzer_lab.cluster.runtime import Runtime
from tests.cli.test_commands import byzer_lab
from tests.support.jobs import COUNTING_JOB


def test_a_jobs_life(cluster: Runtime, tmp_path: Path) -> None:
    train = ("train", "--kind", COUNTING_JOB, "--model_path", "bundled")
    train = (*train, "--path-prefix", str(tmp_path), "--job", "by-cli")
    try:
        done = byzer_lab(
            *train, "--params", "steps=3", "say=hello", "my.api_key=hush-hush", "--wait"
        )
        assert done.stdout.startswith(f"Job by-cli completed: {tmp_path}/by-cli-")
        assert "is a job 'by-cli' already" in byzer_lab(*train, code=1).stderr
        shown = byzer_lab("jobs", "show", "by-cli", "--json").stdout
        assert "hush-hush" not in shown
        record = json.loads(shown)
        assert (record["state"], record["step"], record["result"]) == ("completed", 3, {"sum": 6})
        [row] = json.loads(byzer_lab("jobs", "list", "--json").stdout)
        assert row == record
        assert "3/3" in byzer_lab("jobs", "list").stdout
        assert byzer_lab("jobs", "log", "by-cli", "-f").stdout.split()[1::2] == ["hello", "counted"]
        steps = [
            point["step"]
            for point in json.loads(byzer_lab("jobs", "points", "by-cli", "--json").stdout)
        ]
        assert steps == [1, 2, 3]
        assert "nothing to resume" in byzer_lab("jobs", "resume", "by-cli", code=1).stderr
    finally:
        byzer_lab("jobs", "delete", "by-cli", "--files", "--force")
    assert list(tmp_path.iterdir()) == []
    assert "There is no job 'by-cli'" in byzer_lab("jobs", "show", "by-cli", code=1).stderr
    assert "There is no job;" in byzer_lab("jobs", "list").stdout


def test_wrong_kinds_are_refused(cluster: Runtime) -> None:
    said = byzer_lab("train", "--kind", "tuning", "--model_path", "bundled", code=1).stderr
    assert said.startswith("There is no kind of job 'tuning'; there is: sft, dpo")
