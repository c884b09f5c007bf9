"""Comparisons of a base with what was tuned from it; those of a real tuning are in test_sft."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.training.evaluating import run
from byzer_lab.training.parameters.evaluating import check
from tests.support.facts import alpaca_rows, write_lines
from tests.support.notes import Notes


def job(rows: Path | None = None, **parameters: Any) -> JobSpec:
    return JobSpec(
        name="compare",
        kind="evaluate",
        model_path="bundled",
        data_path=str(rows or ""),
        parameters=parameters,
    )


def test_models_that_are_the_same_are_the_same(tmp_path: Path) -> None:
    known = {"instruction": "What is the capital of France?", "output": "Paris"}
    rows = write_lines(tmp_path / "rows.jsonl", [*alpaca_rows(4), known])
    base = str(bundled_model())
    notes = Notes()
    found = run(job(rows, tuned=[base, base], max_new_tokens=8, batch_size=2), notes).result
    assert list(found["models"]) == ["base", "byzer-lab-demo", "byzer-lab-demo-2"]
    first, *others = found["models"].values()
    assert others == [first, first]
    assert found["change"]["byzer-lab-demo"] == {"loss": 0, "perplexity": 0, "exact_match": 0}
    assert first["perplexity"] == pytest.approx(math.exp(first["loss"]))
    assert first["answered"] == 5
    samples = found["samples"]
    assert [sample["row"] for sample in samples] == [1, 2, 3, 4, 5]
    right = sum(sample["base"].strip() == sample["expected"] for sample in samples)
    assert first["exact_match"] == right / 5
    assert any("asking base" in (report.phase or "") for report in notes.reports)


def test_batches_change_nothing(tmp_path: Path) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", [*alpaca_rows(5), {"text": "One, two. " * 20}])
    found = [run(job(rows, batch_size=size, max_new_tokens=8), Notes()).result for size in (1, 4)]
    one, other = (result["models"]["base"] for result in found)
    assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
    assert one["tokens"] == other["tokens"]
    assert found[0]["samples"] == found[1]["samples"]
    assert len(found[0]["samples"]) == 5  # plain text asks nothing


def test_it_stops_when_asked(tmp_path: Path) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", alpaca_rows(2))
    assert run(job(rows), Notes(stop=True)).state == "stopped"


def test_mistakes(tmp_path: Path) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", alpaca_rows(1))
    with pytest.raises(InvalidRequestError, match="held out no rows"):
        check(job())
    with pytest.raises(InvalidRequestError, match="in tuned does not exist"):
        check(job(rows, tuned=str(tmp_path / "none")))
    with pytest.raises(InvalidRequestError, match="has neither adapter nor model"):
        check(job(rows, tuned=str(tmp_path)))
    with pytest.raises(InvalidRequestError, match="did you mean batch_size"):
        check(job(rows, batch_sizes=3))
