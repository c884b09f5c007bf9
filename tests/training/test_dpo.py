"""Preference tuning: the better answer becomes likelier than the worse one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.training.dpo.training import run
from tests.support.facts import FACTS, alpaca_rows, write_lines
from tests.support.notes import Notes


def job(folder: Path, rows: list[dict[str, object]], **parameters: object) -> JobSpec:
    return JobSpec(
        name="taste",
        kind="dpo",
        model_path="bundled",
        data_path=str(write_lines(folder / "rows.jsonl", rows)),
        folder=str(folder / "job"),
        parameters={"skip_copy_pretrained_model": True, "lora_rank": 8, **parameters},
    )


def preferences(count: int) -> list[dict[str, object]]:
    return [
        {"prompt": asked, "chosen": answer, "rejected": "I do not know."}
        for asked, answer in FACTS[:count]
    ]


def test_the_better_answer_is_preferred(tmp_path: Path) -> None:
    spec = job(tmp_path, preferences(8), max_steps=12, eval_ratio=0.2)
    notes = Notes()
    end = run(spec, notes)
    assert end.state == "completed"
    assert end.result["rewards_accuracy"] == 1.0
    assert end.result["rewards_margin"] > 0
    losses = [point.loss for point in notes.points if point.loss is not None]
    assert losses[0] == pytest.approx(0.6931, abs=1e-3)  # at first it prefers nothing
    assert losses[-1] < losses[0] - 0.05
    assert any(point.eval_loss is not None for point in notes.points)
    manifest = Path(end.artefacts["adapter"]) / "byzer_train.json"
    assert json.loads(manifest.read_text())["kind"] == "dpo"
    held_out = Path(spec.folder) / "finetune_data" / "held_out.jsonl"
    assert len(held_out.read_text().splitlines()) == 2


def test_it_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    spec = job(tmp_path, preferences(4), max_steps=4, save_steps=1)
    assert run(spec, Notes(stop_at=1)).state == "stopped"
    notes = Notes()
    assert run(spec, notes).result["steps"] == 4
    assert notes.points[0].step > 1


def test_rows_without_preferences(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no chosen and rejected answers"):
        run(job(tmp_path, alpaca_rows(2)), Notes())
