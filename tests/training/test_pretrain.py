"""Pretraining from rows to a deployed model: two ranks on processors, ZeRO-3 with offload.

The ranks are plain processes here, but for one run over Ray's workers; all of them do the same job,
so that they can be compared bit by bit.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from byzer_lab.bundled import bundled_model
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.jobs import JobEnd, JobSpec
from byzer_lab.training import converting
from byzer_lab.training.parameters import converting as converting_parameters
from byzer_lab.training.pretrain import training
from tests.engines.conftest import answer, ask, load_engine
from tests.support.notes import Notes
from tests.support.training_ranks import (
    FILES_LIMIT,
    RankLost,
    run_in_processes,
    run_on_ray,
)

# The README's, with a rate that shows something after a few steps.
README = """
{
  "gradient_accumulation_steps": 1,
  "train_micro_batch_size_per_gpu": 1,
  "prescale_gradients": false,
  "zero_allow_untested_optimizer": true,
  "optimizer": {
    "type": "AdamW",
    "params": {
      "lr": 1e-3,
      "eps": 1.0e-8,
      "betas": [
        0.9,
        0.95
      ],
      "weight_decay": 0.1
    }
  },
  "tensorboard": {
    "enabled": true
  },
  "zero_optimization": {
    "stage": 3,
    "offload_optimizer": {
         "device": "cpu"
     },
    "offload_param": {
         "device": "cpu"
    },
    "contiguous_gradients": true,
    "allgather_bucket_size": 1e8,
    "reduce_bucket_size": 1e8,
    "overlap_comm": true,
    "reduce_scatter": true
  },
  "steps_per_print": 16,
  "gradient_clipping": 1.0,
  "wall_clock_breakdown": true,
  "bf16": {
    "enabled": true
  }
}
"""
LENGTH = 64
TEXTS = [
    f"The {word} of Byzer Lab is number {n}. " * (3 + n % 4)
    for n, word in enumerate(["engine", "sidebar", "registry", "gateway", "worker", "notebook"] * 2)
]


def spec_of(folder: Path, data: Path, **parameters: Any) -> JobSpec:
    given = {
        "deepspeedConfig": README,
        "sfft.int.max_length": str(LENGTH),
        "sfft.int.epoches": "2",
        "sfft.bool.setup_nccl_socket_ifname_by_ip": "true",
        "keepPartitionNum": "true",
        **parameters,
    }
    return JobSpec(
        name="pretrain",
        kind="sfft",
        model_path="bundled",
        model_type="sfft/llama2",
        folder=str(folder),
        data_path=str(data),
        workers=2,
        parameters=given,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two partitions, as ``TableRepartition`` makes them for two workers."""
    folder = tmp_path_factory.mktemp("data")
    for part in range(2):
        (folder / f"data-{part}").mkdir()
        rows = [json.dumps({"text": text, "file": str(n)}) for n, text in enumerate(TEXTS)]
        lines = "\n".join(rows[part::2])
        (folder / f"data-{part}" / "part.jsonl").write_text(lines)
    return folder


@pytest.fixture(scope="module")
def undisturbed(
    cluster: Runtime, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[JobEnd, Notes, Path]:
    """The whole job over two of Ray's workers."""
    folder = tmp_path_factory.mktemp("undisturbed")
    notes = Notes()
    return run_on_ray(cluster, spec_of(folder, data), notes), notes, folder


@pytest.fixture
def in_processes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., JobEnd]:
    """Runs a job's ranks as plain processes."""

    def run(spec: JobSpec, notes: Notes, **options: Any) -> JobEnd:
        def launch(*given: Any) -> dict[str, Any]:
            return run_in_processes(*given, **options)

        monkeypatch.setattr(training, "run_on_workers", launch)
        return training.run(spec, notes)

    return run


def weights(folder: str | Path) -> dict[str, Any]:
    return dict(load_file(Path(folder) / "model.safetensors"))


def test_the_job_does_what_the_readme_says(undisturbed: tuple[JobEnd, Notes, Path]) -> None:
    end, notes, folder = undisturbed
    tokenizer = AutoTokenizer.from_pretrained(bundled_model())
    lengths = [len(tokenizer.encode(text, add_special_tokens=False)) + 1 for text in TEXTS]
    parts = [sum(lengths[part::2]) for part in range(2)]
    # Every token but each stream's first is predicted once in each of two passes.
    assert end.result["tokens"] == 2 * (sum(parts) - 2)
    steps = max(math.ceil((part - 1) / LENGTH) for part in parts)
    assert [point.step for point in notes.points] == list(range(1, 2 * steps + 1))
    assert end.result["steps"] == end.result["total_steps"] == 2 * steps
    assert end.state == "completed"
    losses = [point.loss for point in notes.points]
    assert losses[-1] < 0.5 * losses[0]
    assert all(point.grad_norm > 0 and point.tokens_per_second > 0 for point in notes.points)
    assert {point.learning_rate for point in notes.points} == {1e-3}
    models = folder / "finetune_model"
    assert sorted(path.name for path in models.glob("*-*")) == ["Epoch-1", "Epoch-2"]
    assert [one.step for one in notes.reports[-1].checkpoints or []] in ([], [steps, 2 * steps])
    assert end.artefacts["model"] == str(models / "final")
    assert list((folder / "tensorboard_dir").rglob("events.out.tfevents.*"))
    curve = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [point["step"] for point in curve] == list(range(1, 2 * steps + 1))
    assert any("Adam is PyTorch's" in sentence for sentence in notes.warnings)


def test_every_token_of_a_step_counts_the_same(undisturbed: tuple[JobEnd, Notes, Path]) -> None:
    """The first loss is the base's mean over the blocks of both ranks, the short ones too."""
    _, notes, folder = undisturbed
    from byzer_lab.training.pretrain.schedule import Schedule
    from byzer_lab.training.pretrain.streams import find_streams

    streams = find_streams(folder / "finetune_data")
    assert streams is not None
    schedule = Schedule(streams.tokens, LENGTH, 1, 1, 42, True)
    model = AutoModelForCausalLM.from_pretrained(bundled_model(), dtype=torch.bfloat16)
    total, count = 0.0, 0
    for rank in range(2):
        for block in schedule.step(0, rank)[0]:
            begin, stop = schedule.span(block)
            tokens = torch.from_numpy(streams.open(rank)[begin:stop].astype("int64"))
            with torch.inference_mode():
                logits = model(tokens[None, :-1]).logits[0].float()
            total += F.cross_entropy(logits, tokens[1:], reduction="sum").item()
            count += len(tokens) - 1
    assert notes.points[0].loss == pytest.approx(total / count, rel=0.02)


async def test_the_model_deploys_and_is_what_the_checkpoint_holds(
    undisturbed: tuple[JobEnd, Notes, Path], tmp_path: Path
) -> None:
    end, _, folder = undisturbed
    engine = load_engine(end.artefacts["model"])
    text, _ = await answer(engine, ask("The engine of Byzer Lab", max_tokens=8))
    await engine.close()
    assert " is number" in text
    spec = JobSpec(
        name="convert",
        kind="convert",
        model_path="bundled",
        model_type="deepspeed/llama3b",
        folder=str(tmp_path / "job"),
        parameters={
            "checkpointDir": str(folder / "finetune_model"),
            "tag": "Epoch-2",
            "savePath": str(tmp_path / "converted"),
        },
    )
    converting_parameters.check(spec)
    converted = converting.run(spec, Notes())
    assert converted.result["agreement"] > 0.97
    assert converted.result["tag"] == "Epoch-2"
    made, final = weights(tmp_path / "converted"), weights(end.artefacts["model"])
    assert made.keys() == final.keys()  # tied embeddings stand once in both
    assert all(made[name].equal(final[name]) for name in made)
    assert AutoTokenizer.from_pretrained(tmp_path / "converted").chat_template
    first = converting.run(
        JobSpec(
            name="first",
            kind="convert",
            model_path="bundled",
            folder=str(tmp_path / "job2"),
            parameters={"checkpoint_dir": str(folder / "finetune_model" / "Epoch-1")},
        ),
        Notes(),
    )
    assert first.result["tag"] == "Epoch-1"
    with pytest.raises(InvalidRequestError, match="no DeepSpeed checkpoint 'Epoch-9': there are E"):
        converting_parameters.check(
            JobSpec(
                name="none",
                kind="convert",
                model_path="bundled",
                folder=str(tmp_path),
                parameters={"checkpointDir": str(folder / "finetune_model"), "tag": "Epoch-9"},
            )
        )


def test_stopped_and_killed_it_ends_with_the_same_weights(
    undisturbed: tuple[JobEnd, Notes, Path],
    data: Path,
    tmp_path: Path,
    in_processes: Callable[..., JobEnd],
) -> None:
    whole, _, _ = undisturbed
    spec = spec_of(tmp_path, data, save_steps=2, logging_steps=3)
    stopped = in_processes(spec, Notes(), stop_after=5)
    assert stopped.state == "stopped"
    assert stopped.result["steps"] == 5
    assert Path(stopped.artefacts["model"], "model.safetensors").is_file()
    with pytest.raises(RankLost):
        in_processes(spec, Notes(), kill_after=6)
    broken = tmp_path / "finetune_model" / "Step-99"
    broken.mkdir()
    (broken / "zero_pp_rank_0_mp_rank_00_model_states.pt").touch()  # a rank died while it saved
    notes = Notes()
    end = in_processes(spec, notes)
    assert not broken.exists()
    assert notes.points[0].step == 12  # it was killed in step 12, and Step-10 was the newest
    assert end.result["steps"] == whole.result["steps"]
    assert end.result["tokens"] == whole.result["tokens"]
    assert end.result["train_loss"] == pytest.approx(whole.result["train_loss"], abs=1e-6)
    first, second = weights(end.artefacts["model"]), weights(whole.artefacts["model"])
    assert all(first[name].equal(second[name]) for name in second)


def test_a_full_disk_loses_no_earlier_checkpoint(
    undisturbed: tuple[JobEnd, Notes, Path],
    data: Path,
    tmp_path: Path,
    in_processes: Callable[..., JobEnd],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "job"
    shutil.copytree(undisturbed[2], folder)
    spec = spec_of(folder, data, **{"sfft.int.epoches": "3"})
    monkeypatch.setenv(FILES_LIMIT, str(2**20))
    with pytest.raises(EngineError, match="The disk is full: .*Epoch-3"):
        in_processes(spec, Notes())
    models = folder / "finetune_model"
    assert sorted(path.name for path in models.glob("*-*")) == ["Epoch-1", "Epoch-2"]
    assert (models / "latest").read_text() == "Epoch-2"
    assert (models / "final" / "model.safetensors").is_file()
