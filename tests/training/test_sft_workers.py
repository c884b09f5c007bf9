"""Finetuning in two processes, of which one is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from byzer_lab.cluster.runtime import Runtime
from byzer_lab.jobs import JobSpec
from byzer_lab.training.sft.checkpoints import checkpoints_in
from tests.support.facts import alpaca_rows, write_lines
from tests.support.loops import drive

SFT = "byzer_lab.training.sft.training"


def pair(folder: Path) -> JobSpec:
    rows = write_lines(folder / "rows.jsonl", alpaca_rows(16))
    parameters = {
        "max_steps": 12,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "save_steps": 2,
        "logging_steps": 1,
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


def kill_a_rank(folder: Path) -> int:
    """Kill one of a group's processes once a checkpoint is saved; they work in the job's folder."""
    deadline = time.monotonic() + 200
    while not checkpoints_in(folder / "finetune_model"):
        assert time.monotonic() < deadline, "no checkpoint was saved"
        time.sleep(0.02)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder / "workers"):
                os.kill(process.pid, signal.SIGKILL)
                return process.pid
    raise AssertionError("no process of the group is there")


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_rank_changes_nothing(cluster: Runtime, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    quiet, loud = tmp_path / "quiet", tmp_path / "loud"
    for folder in (quiet, loud):
        folder.mkdir()
    outcome = drive(cluster, SFT, pair(quiet))
    assert outcome["result"]["result"]["steps"] == 12
    killed: list[int] = []
    spec = pair(loud)
    folder = Path(spec.folder)
    killer = threading.Thread(target=lambda: killed.append(kill_a_rank(folder)))
    killer.start()
    outcome = drive(cluster, SFT, spec)
    killer.join()
    assert killed
    assert outcome["points"][-1] == 12
    assert any("goes on from" in line for line in outcome["printed"])
    adapters = [
        load_file(Path(folder) / "job" / "finetune_model" / "final" / "adapter_model.safetensors")
        for folder in (quiet, loud)
    ]
    assert adapters[0].keys() == adapters[1].keys()
    for name, tensor in adapters[0].items():
        assert tensor.equal(adapters[1][name]), name
