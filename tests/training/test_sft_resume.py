"""A finetuning that is stopped, killed, or runs out of disk goes on as if nothing had been."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from safetensors.torch import load_file

from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.training.sft.checkpoints import checkpoints_in
from byzer_lab.training.sft.trainer import Trainer
from byzer_lab.training.sft.training import run
from tests.support.facts import alpaca_rows, write_lines
from tests.support.notes import Notes

STEPS = 8


def job(folder: Path, **parameters: Any) -> JobSpec:
    rows = write_lines(folder / "rows.jsonl", alpaca_rows(10))
    return JobSpec(
        name="job",
        kind="sft",
        model_path="bundled",
        data_path=str(rows),
        folder=str(folder / "job"),
        parameters={
            "max_steps": STEPS,
            "per_device_train_batch_size": 2,
            "gradient_accumulation_steps": 2,
            "lora_rank": 4,
            "lora_dropout": 0.1,  # random numbers must go on too
            "save_steps": 3,
            "logging_steps": 2,
            "skip_copy_pretrained_model": True,
            **parameters,
        },
    )


def weights(spec: JobSpec) -> dict[str, Any]:
    final = Path(spec.folder) / "finetune_model" / "final"
    found: dict[str, Any] = load_file(final / "adapter_model.safetensors")
    return found


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        tensor.equal(other[name]) for name, tensor in one.items()
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights and figures of a run to the end."""
    spec = job(tmp_path_factory.mktemp("undisturbed"))
    result = run(spec, Notes()).result
    assert [one.step for one in checkpoints_in(Path(spec.folder) / "finetune_model")] == [STEPS]
    return weights(spec), result


def check_result(result: dict[str, Any], undisturbed: dict[str, Any]) -> None:
    """The figures are of the whole run."""
    for name in ("steps", "epoch", "tokens"):
        assert result[name] == undisturbed[name], name
    assert result["train_loss"] == pytest.approx(undisturbed["train_loss"])


def test_stopped_and_resumed(tmp_path: Path, undisturbed: Any) -> None:
    spec = job(tmp_path)
    notes = Notes(stop_at=4)
    end = run(spec, notes)
    assert end.state == "stopped"
    assert end.result["steps"] <= 6
    assert end.artefacts["adapter"].endswith("final")
    early = weights(spec)
    assert not same(early, undisturbed[0])
    manifest = Path(end.artefacts["adapter"]) / "byzer_train.json"
    assert json.loads(manifest.read_text())["state"] == "stopped"
    end = run(spec, Notes())
    assert end.state == "completed"
    assert same(weights(spec), undisturbed[0])
    check_result(end.result, undisturbed[1])


def test_killed_and_resumed(tmp_path: Path, undisturbed: Any) -> None:
    spec = job(tmp_path, save_steps=1)
    models = Path(spec.folder) / "finetune_model"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.killed"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(spec))
    process.stdin.close()
    deadline = time.monotonic() + 120
    while not any(one.step >= 2 for one in checkpoints_in(models)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    (models / "checkpoint-7").mkdir(exist_ok=True)  # as if it had been killed while it saved
    (models / "checkpoint-7" / "trainer_state.json").write_text("{")
    notes = Notes()
    end = run(spec, notes)
    assert notes.points[0].step > 2
    assert same(weights(spec), undisturbed[0])
    check_result(end.result, undisturbed[1])


def test_the_checkpoints_that_stay(tmp_path: Path) -> None:
    spec = job(tmp_path, save_total_limit=2)
    notes = Notes()
    run(spec, notes)
    models = Path(spec.folder) / "finetune_model"
    assert [one.step for one in checkpoints_in(models)] == [6, STEPS]
    kept = [report.checkpoints for report in notes.reports if report.checkpoints]
    assert [one.step for one in kept[-1]] == [6, STEPS]
    assert notes.artefacts["checkpoint"] == str(models / f"checkpoint-{STEPS}")


def test_a_full_disk_keeps_the_earlier_checkpoint(
    tmp_path: Path, undisturbed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = job(tmp_path)
    models = Path(spec.folder) / "finetune_model"
    save = Trainer._save_rng_state

    def full(trainer: Any, folder: str) -> None:
        if trainer.state.global_step > 3:
            raise OSError(errno.ENOSPC, "No space left on device", folder)
        save(trainer, folder)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_save_rng_state", full)
        with pytest.raises(EngineError, match=r"^The disk is full: .* resume the job") as caught:
            run(spec, Notes())
    assert "\n" not in caught.value.message
    assert [one.step for one in checkpoints_in(models)] == [3]
    assert not (models / "checkpoint-6").exists()  # what was half written takes no room
    assert run(spec, Notes()).state == "completed"
    assert same(weights(spec), undisturbed[0])


def test_a_folder_that_can_not_be_made(tmp_path: Path) -> None:
    spec = job(tmp_path)
    (tmp_path / "job").write_text("a file")
    with pytest.raises((EngineError, InvalidRequestError), match=r"job' can't be") as caught:
        run(spec, Notes())
    assert "\n" not in caught.value.message
