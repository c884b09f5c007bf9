"""Finetuning the bundled model: it repeats what it was taught, and says how it went."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobEnd, JobSpec
from byzer_lab.training.evaluating import run as evaluate
from byzer_lab.training.sft.training import run
from byzer_lab.types import GenerateRequest, Message, Sampling
from tests.support.facts import FACTS, alpaca_rows, write_lines
from tests.support.notes import Notes


@dataclass
class Taught:
    """A finetuning that is done."""

    spec: JobSpec
    end: JobEnd
    notes: Notes
    printed: str

    @property
    def final(self) -> Path:
        return Path(self.end.artefacts["adapter"])


def job(folder: Path, rows: Path, **parameters: Any) -> JobSpec:
    return JobSpec(
        name="facts",
        kind="sft",
        model_path="bundled",
        data_path=str(rows),
        folder=str(folder / "job"),
        parameters=parameters,
    )


def small(folder: Path, count: int = 6, **parameters: Any) -> JobSpec:
    """A finetuning of two steps."""
    rows = write_lines(folder / "rows.jsonl", alpaca_rows(count))
    return job(folder, rows, **{"max_steps": 2, "lora_rank": 4, **parameters})


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Taught:
    """The README's script: nothing is set but the length of the rows."""
    folder = tmp_path_factory.mktemp("taught")
    rows = write_lines(folder / "data.jsonl", alpaca_rows())
    spec = job(folder, rows, **{"sft.int.max_seq_length": "512"})
    notes, printed = Notes(), io.StringIO()
    with contextlib.redirect_stdout(printed):
        end = run(spec, notes)
    return Taught(spec, end, notes, printed.getvalue())


def test_the_tuned_model_repeats_the_facts_and_the_base_does_not(
    taught: Taught, tmp_path: Path
) -> None:
    folder = str(tmp_path)
    compared = evaluate(
        JobSpec(
            name="compare",
            kind="evaluate",
            model_path="bundled",
            data_path=taught.spec.data_path,
            folder=folder,
            parameters={"tuned": taught.spec.folder, "max_new_tokens": 24, "samples": 3},
        ),
        Notes(),
    )
    models = compared.result["models"]
    assert models["base"]["exact_match"] == 0
    assert models["tuned"]["exact_match"] >= 0.97
    assert models["tuned"]["loss"] < 0.1 < models["base"]["loss"]
    assert models["tuned"]["perplexity"] < models["base"]["perplexity"]
    change = compared.result["change"]["tuned"]
    assert change["loss"] == models["tuned"]["loss"] - models["base"]["loss"]
    sample = compared.result["samples"][0]
    assert (sample["expected"], sample["row"]) == (FACTS[0][1], 1)
    assert sample["prompt"].endswith("<|im_start|>assistant\n")
    assert sample["base"] != sample["expected"]
    lines = Path(compared.artefacts["evaluation"]).read_text().splitlines()
    assert len(lines) == len(FACTS)


async def test_the_final_folder_deploys(taught: Taught) -> None:
    engine = TransformersEngine(EngineConfig(str(taught.final), "custom/auto", {}, 4, 0))
    await asyncio.to_thread(engine.load, lambda _: None)
    asked, answer = FACTS[7]
    request = GenerateRequest(
        request_id="1",
        messages=[Message(role="user", content=asked)],
        sampling=Sampling(max_tokens=24, temperature=0.0),
    )
    text = "".join([chunk.text async for chunk in engine.generate(request)])
    await engine.close()
    assert text.strip() == answer


def test_the_folder_and_its_files(taught: Taught) -> None:
    folder = Path(taught.spec.folder)
    assert taught.final == folder / "finetune_model" / "final"
    names = {path.name for path in taught.final.iterdir()}
    assert {
        *("adapter_model.safetensors", "adapter_config.json", "tokenizer.json"),
        *("chat_template.jinja", "training_args.bin", "byzer_train.json", "pretrained_model"),
    } <= names
    base = taught.final / "pretrained_model" / "model.safetensors"
    assert base.stat().st_size == (bundled_model() / "model.safetensors").stat().st_size
    config = json.loads((taught.final / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(bundled_model())
    assert (config["r"], config["lora_alpha"]) == (64, 16)
    manifest = json.loads((taught.final / "byzer_train.json").read_text())
    assert (manifest["method"], manifest["quantization"]) == ("lora", None)
    assert manifest["state"] == "completed"
    assert any((folder / "logging").glob("events.out.tfevents*"))
    assert taught.notes.artefacts["tensorboard"] == str(folder / "logging")


def test_the_curves(taught: Taught) -> None:
    losses = [point.loss for point in taught.notes.points if point.loss is not None]
    steps = taught.end.result["steps"]
    assert len(losses) == steps  # so short a run is logged at each step
    assert losses[-1] < 0.1 < losses[0]
    lines = (Path(taught.spec.folder) / "metrics.jsonl").read_text().splitlines()
    told = [json.loads(line) for line in lines if '"loss"' in line]
    assert [line["loss"] for line in told] == losses
    last = taught.notes.points[-1]
    assert last.step == steps
    assert last.tokens_per_second is not None
    assert last.tokens_per_second > 0
    assert last.learning_rate is not None
    rates = [point.learning_rate or 0.0 for point in taught.notes.points]
    assert max(rates) == pytest.approx(2e-3)  # reached: the warm-up is no longer than the run
    reports = [report for report in taught.notes.reports if report.total_steps]
    assert {report.total_steps for report in reports} == {steps}
    assert reports[-1].step == steps
    assert taught.end.result["train_loss"] == pytest.approx(sum(losses) / steps)
    tokens = max(report.tokens or 0 for report in reports)
    assert tokens == taught.end.result["tokens"]


def test_the_log(taught: Taught) -> None:
    for words in (
        f"Loading data: {taught.spec.data_path}\n",
        "there are 33 data in dataset\n",
        "[facts] SFT Config: {",
        "*** starting training ***\n",
        "{'train_runtime': ",
        "***** train metrics *****\n",
        "[facts] total tokens: ",
        f"[facts] Copy {bundled_model()} to {taught.final / 'pretrained_model'}\n",
        "[facts] Train Actor is already finished. You can check the model in: ",
        "33 rows are few: they are trained on",
    ):
        assert words in taught.printed


def test_a_job_that_is_done_is_not_done_again(taught: Taught) -> None:
    before = (taught.final / "adapter_model.safetensors").stat().st_mtime_ns
    assert run(taught.spec, Notes()) == taught.end
    assert (taught.final / "adapter_model.safetensors").stat().st_mtime_ns == before


def test_the_data_report(taught: Taught) -> None:
    report = json.loads(Path(taught.notes.artefacts["data_report"]).read_text())
    assert (report["rows"], report["bad_rows"], report["formats"]) == (
        33,
        0,
        {"data.jsonl": "alpaca"},
    )
    train = report["train"]
    assert (train["rows"], train["truncated"]) == (33, 0)
    assert sum(part["rows"] for part in train["histogram"]) == 33
    asked, answer = FACTS[0]
    assert train["previews"][0]["parts"] == [
        {"text": f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n", "trained": False},
        {"text": f"{answer}<|im_end|>\n", "trained": True},
    ]


def test_qlora(tmp_path: Path) -> None:
    end = run(small(tmp_path, method="qlora", skipCopyPretrainedModel="true"), Notes())
    final = Path(end.artefacts["adapter"])
    manifest = json.loads((final / "byzer_train.json").read_text())
    assert manifest["method"] == "qlora"
    quantization = manifest["quantization"]
    assert quantization["bnb_4bit_quant_type"] == "nf4"
    assert quantization["bnb_4bit_use_double_quant"] is True
    assert not (final / "pretrained_model").exists()
    weights = load_file(final / "adapter_model.safetensors")
    assert any(tensor.abs().max() > 0 for name, tensor in weights.items() if "lora_B" in name)
    compared = evaluate(
        JobSpec(
            name="compare",
            kind="evaluate",
            model_path="bundled",
            data_path=str(tmp_path / "rows.jsonl"),
            parameters={"tuned": str(final), "answers": False},
        ),
        Notes(),
    )
    models = compared.result["models"]
    assert models["tuned"]["loss"] < models["base"]["loss"]


def test_all_weights(tmp_path: Path) -> None:
    end = run(small(tmp_path, method="full", learning_rate=1e-3), Notes())
    final = Path(end.artefacts["model"])
    assert not (final / "adapter_config.json").exists()
    before, after = (load_file(folder / "model.safetensors") for folder in (bundled_model(), final))
    name = "model.layers.0.mlp.up_proj.weight"
    assert not torch.equal(before[name].float(), after[name].float())
    assert json.loads((final / "config.json").read_text())["use_cache"] is True


def test_rows_that_are_held_out(tmp_path: Path) -> None:
    spec = small(tmp_path, 20, eval_ratio=0.2, eval_steps=1)
    notes = Notes()
    end = run(spec, notes)
    held_out = Path(spec.folder) / "finetune_data" / "held_out.jsonl"
    rows = [json.loads(line)["messages"] for line in held_out.read_text().splitlines()]
    assert len(rows) == 4
    evaluated = [point.eval_loss for point in notes.points if point.eval_loss is not None]
    assert len(evaluated) == 2
    assert end.result["eval_loss"] == evaluated[-1]
    compared = evaluate(  # of itself it takes the rows that were held out
        JobSpec(
            name="compare",
            kind="evaluate",
            model_path="bundled",
            parameters={"tuned": spec.folder, "answers": False},
        ),
        Notes(),
    )
    assert compared.result["rows"] == 4
    assert compared.result["models"]["tuned"]["loss"] == pytest.approx(evaluated[-1], rel=0.02)


def test_a_bad_row_ends_it_before_anything_is_loaded(tmp_path: Path) -> None:
    rows = write_lines(tmp_path / "rows.jsonl", [*alpaca_rows(2), {"instruction": "one?"}])
    spec = job(tmp_path, rows)
    with pytest.raises(InvalidRequestError, match=r"1 of 3 rows .* row 3 \(rows\.jsonl, line 3\)"):
        run(spec, Notes())
    report = json.loads((Path(spec.folder) / "data_report.json").read_text())
    assert report["problems"][0]["column"] == "output"
    spec.parameters |= {"on_bad_row": "skip", "max_bad_ratio": 0.5, "max_steps": 1}
    notes = Notes()
    assert run(spec, notes).state == "completed"
    assert "1 of 3 rows were left out (missing_field 1)." in notes.warnings


def test_packed_rows_have_the_same_loss(tmp_path: Path) -> None:
    losses = []
    for packing in ("false", "true"):
        folder = tmp_path / packing
        folder.mkdir()
        spec = small(folder, packing=packing, max_steps=1, lora_dropout=0, seed=1)
        spec.parameters["per_device_train_batch_size"] = 6 if packing == "false" else 1
        losses.append(run(spec, Notes()).result["train_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
