"""``%%llm_finetune`` and ``%llm_jobs``: what a cell asks for, and how a job is shown."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from byzer_lab_magics import jobs
from byzer_lab_magics.curve import curve, figure, spark, spoken, thinned
from byzer_lab_magics.finetuning import FINETUNE, kind_help, parameters_in, rows_for
from byzer_lab_magics.job_following import note_of
from byzer_lab_magics.job_view import bundle, duration, plain, words
from byzer_lab_magics.jobs import JOBS, JobFacts
from byzer_lab_magics.sql import SQL as SQL_ARGUMENTS
from byzer_lab_magics.sql import close_sessions, llm_sql
from IPython.core.error import UsageError

from byzer_lab.jobs import Checkpoint, JobPoint, JobRecord, JobSpec


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    yield SimpleNamespace(user_ns={})
    close_sessions()


def points(count: int) -> list[JobPoint]:
    return [
        JobPoint(step=n, loss=0.5 + 2 * math.exp(-n / 30), learning_rate=2e-4)
        for n in range(1, count + 1)
    ]


def job(state: str = "running", **fields: Any) -> JobRecord:
    spec = JobSpec(name="lora", kind="sft", model_path="bundled", folder="/jobs/lora")
    return JobRecord(**{"id": "a", "spec": spec, "state": state, **fields})


TRAINS = {"step": 30, "total_steps": 120, "point": JobPoint(step=30, loss=0.8312)}


# -- the line and the rows ----------------------------------------------------------------------


def test_byzer_llms_keys_are_read_too() -> None:
    ours = FINETUNE.parse(
        "a --model_path m --data t --pretrained_model_type sft/llama2 --path_prefix /p"
    )
    theirs = FINETUNE.parse(
        "a --localModelDir m --inputTable t --pretrainedModelType sft/llama2 --localPathPrefix /p"
    )
    assert ours == theirs


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("a --model_path m", "--data is missing"),
        ("a --data t", "--model_path is missing"),
        ("a --model_path m --data t --lora_rank 8", "has no option --lora_rank"),
    ],
)
def test_a_wrong_line_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        FINETUNE.parse(line)


def test_rows_are_a_table_a_variable_or_a_file(shell: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame({"instruction": ["a"], "output": ["b"]})
    shell.user_ns.update(frame=frame, rows=[{"text": "c"}])
    (tmp_path / "rows.jsonl").write_text('{"text": "d"}\n')
    assert rows_for(shell, "frame") is frame
    assert rows_for(shell, "rows") == [{"text": "c"}]
    assert rows_for(shell, "rows.jsonl") == "rows.jsonl"
    llm_sql(shell, SQL_ARGUMENTS.parse(""), "select 'e' as text as made;")
    assert rows_for(shell, "MADE").to_pylist() == [{"text": "e"}]
    with pytest.raises(UsageError, match="Did you mean frame") as caught:
        rows_for(shell, "frme")
    assert "no table of %%llm_sql, no variable of this notebook and no file" in str(caught.value)


def test_help_and_completion_know_the_parameters_of_a_kind() -> None:
    assert "lora_rank" in {info.name for info in parameters_in("a --model_path m")}
    assert "lora_rank" not in {info.name for info in parameters_in("a --kind sfft")}
    assert "beta" in {info.name for info in parameters_in("a --pretrained_model_type dpo/auto")}
    assert kind_help("a --model_path m") == ""
    text = kind_help("--kind sft")
    assert text.startswith("Parameters of sft, in the body of the cell:")
    assert "  lora_rank = N" in text


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--stop", "NAME is missing; write %llm_jobs NAME --stop"),
        ("a --stop --resume", "--stop and --resume don't go together"),
        ("a --files", "--files goes with --delete alone"),
        ("a --log -n 0", "--lines is 0"),
    ],
)
def test_a_wrong_line_of_jobs_is_refused(
    line: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "connect", lambda shell: SimpleNamespace(gateway=None))
    with pytest.raises(UsageError, match=re.escape(sentence)):
        jobs.llm_jobs(None, JOBS.parse(line), "")


# -- how a job is shown -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (job("queued", phase="waiting for 2 GPUs"), "queued · waiting for 2 GPUs"),
        (job("preparing", phase="checking the data"), "checking the data"),
        (job("running", **TRAINS, eta_s=95.0, memory_mb=2048.0),
         "step 30/120 · loss 0.831 · 2.0 GB · 1 min 35 s left"),
        (job("stopping", **TRAINS), "stopping · step 30/120 · loss 0.831"),
        (job("completed", **TRAINS, started_at=1.0, finished_at=46.0, attempt=2),
         "completed · step 30/120 · loss 0.831 · 45 s · attempt 2"),
        (job("failed"), "failed"),
    ],
)  # fmt: skip
def test_a_job_in_a_line(record: JobRecord, text: str) -> None:
    assert words(record) == text


def test_a_job_as_text_has_its_bar_and_its_curve() -> None:
    text = plain(job("running", **TRAINS, warnings=["warmup is long."]), points(30), "A note.")
    first, warning, note = text.splitlines()
    assert first.startswith("… lora: step 30/120")
    assert "25 %" in first
    assert first.endswith("▁")
    assert (warning, note) == ("⚠ warmup is long.", "A note.")
    assert "░" not in plain(job("completed", **TRAINS), points(30))


def test_a_job_as_html_needs_no_script_and_escapes_what_others_wrote() -> None:
    record = job("failed", **TRAINS, warnings=["<script>alert(1)</script>"])
    html = bundle(record, points(30))["text/html"]
    assert "<script" not in html
    assert "<svg" not in html  # it would be taken out of a notebook that is not trusted
    assert '<img alt="loss 2.43 at step 1, 1.24 at step 30"' in html


def test_the_curve_is_a_picture_with_both_losses() -> None:
    drawn = points(40)
    assert curve(drawn[:1], 0) == ""
    assert "held out" not in svg(curve(drawn, 100))
    drawn[19].eval_loss = drawn[39].eval_loss = 0.9
    picture = svg(curve(drawn, 100))
    assert picture.count("<circle") == 2
    assert "stroke-dasharray" in picture
    assert ">100</text>" in picture  # the axis goes to the end of the run
    assert spoken(drawn).endswith("held-out loss 0.9 at step 20, 0.9 at step 40")


def svg(image: str) -> str:
    found = re.search(r'base64,([^"]+)"', image)
    assert found is not None
    return base64.b64decode(found[1]).decode()


def test_a_long_curve_stays_small_and_keeps_its_spikes() -> None:
    marks = [(n, float(n % 7)) for n in range(10_000)]
    marks[5432] = (5432, 99.0)
    few = thinned(marks, 100)
    assert len(few) <= 100
    assert (5432, 99.0) in few
    assert few == sorted(few)
    many = [JobPoint(step=n, loss=value) for n, value in marks]
    assert len(curve(many, 10_000)) < 15_000
    assert len(spark(many)) <= 24


def test_points_without_a_loss_draw_nothing() -> None:
    assert curve([JobPoint(step=1), JobPoint(step=2, loss=math.nan)], 2) == ""
    assert spark([]) == ""
    level = [JobPoint(step=n, loss=0.0) for n in (1, 2)]
    assert "nan" not in svg(curve(level, 2))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.83124, "0.831"), (2.5e-4, "2.5e-4"), (2e-5, "2e-5"), (0, "0"), (12400.4, "12,400"),
     (math.inf, "inf")],
)  # fmt: skip
def test_figures(value: float, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (60, "1 min"), (95, "1 min 35 s"), (840, "14 min"), (7500, "2 h 5 min"),
     (90_000, "1 d 1 h")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_what_can_be_done_with_a_job_is_said() -> None:
    made = {"adapter": "/jobs/lora/final"}
    kept = [Checkpoint(step=20, path="/c/20")]
    assert "--deploy NAME deploys it" in note_of(job("completed", artefacts=made))
    assert note_of(job("stopped", artefacts=made)).startswith("%llm_jobs lora --resume")
    assert "from step 20" in note_of(job("failed", checkpoints=kept))
    assert note_of(job("failed")) == ""


def test_a_job_is_a_dict_that_shows_its_curve() -> None:
    record = job("completed", **TRAINS, artefacts={"adapter": "/final"}, result={"train_loss": 1.5})
    facts = JobFacts(record, points(30))
    assert facts["path"] == "/final"
    assert facts["result"] == {"train_loss": 1.5}
    assert "error" not in facts
    html = facts._repr_html_()
    assert "<img" in html
    assert "/jobs/lora" in html
