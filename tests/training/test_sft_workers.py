"""Finetuning in two processes, of which one is killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from byzer_lab.cluster.runtime import Runtime
from byzer_lab.jobs import JobSpec
from tests.support.facts import alpaca_rows, write_lines
from tests.support.loops import drive

STEPS = 60
SFT = "byzer_lab.training.sft.training"


def pair(folder: Path) -> JobSpec:
    rows = write_lines(folder / "rows.jsonl", alpaca_rows(16))
    parameters = {
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "save_steps": 5,
        "logging_steps": 5,
        "lora_rank": 4,
        "lora_dropout": 0.1,
    }
    return JobSpec(
        name="pair",
        kind="sft",
        model_path="bundled",
        data_path=str(rows),
        folder=str(folder / "job"),
        workers=2,
        parameters=parameters,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_rank_changes_nothing(cluster: Runtime, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    quiet, loud = tmp_path / "quiet", tmp_path / "loud"
    for folder in (quiet, loud):
        folder.mkdir()
    outcome = drive(cluster, SFT, pair(quiet))
    assert outcome["result"]["result"]["steps"] == STEPS
    told = drive(cluster, SFT, pair(loud), "kill")
    assert told["result"]["result"]["steps"] == STEPS
    assert any("a process of the training was lost at step" in line for line in told["printed"])
    assert any("goes on from" in line for line in told["printed"])
    assert told["points"][-1] == outcome["points"][-1]
    adapters = [
        load_file(Path(folder) / "job" / "finetune_model" / "final" / "adapter_model.safetensors")
        for folder in (quiet, loud)
    ]
    assert adapters[0].keys() == adapters[1].keys()
    for name, tensor in adapters[0].items():
        assert tensor.equal(adapters[1][name]), name
