"""What a pretraining is told is checked before anything starts; nothing heavy is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.training.parameters.pretrain import check, read
from byzer_lab.training.pretrain.settings import DEFAULT, check_settings, complete_settings


def spec_of(folder: Path, workers: int = 2, gpus: float = 0, **parameters: Any) -> JobSpec:
    (folder / "rows.txt").write_text("a text")
    return JobSpec(
        name="pretrain",
        kind="sfft",
        model_path="bundled",
        folder=str(folder),
        data_path=str(folder / "rows.txt"),
        workers=workers,
        gpus_per_worker=gpus,
        parameters=parameters,
    )


def test_byzer_llms_keys(tmp_path: Path) -> None:
    spec = spec_of(
        tmp_path,
        **{
            "sfft.int.max_length": "128",
            "sfft.bool.setup_nccl_socket_ifname_by_ip": "true",
            "sfft.int.epoches": 3,
            "sfft.int.steps_per_epoch": "10",
            "sfft.str.tokenizer_path": "/models/tokenizer.model",
            "keepPartitionNum": "true",
            "model_type": "casual_lm",
        },
    )
    check(spec)
    parameters = read(spec)
    assert parameters.max_length == 128
    assert parameters.setup_nccl_socket_ifname_by_ip is True
    assert (parameters.epoches, parameters.steps_per_epoch) == (3, 10)
    assert parameters.tokenizer_path == "/models/tokenizer.model"
    assert parameters.settings == DEFAULT
    assert read(spec_of(tmp_path)).max_length == 4096


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"sfft.int.max_lenght": 4}, "no parameter 'max_lenght'; did you mean max_length"),
        ({"sfft.integer.max_length": 4}, "has the type 'integer'"),
        ({"sfft.int.max_length": 4, "max_length": 5}, "given twice"),
        ({"sfft.int.epoches": "0"}, "whole number of at least 1"),
        (
            {"deepspeedConfig": '{\n  "bf16": {"enabled": true},\n}'},
            r"deepspeedConfig is no valid JSON: .* in line 2, column 28|line 3, column 1",
        ),
        ({"deepspeedConfig": "[]"}, "must be a JSON object"),
        ({"deepspeedConfig": '{"bf16": {}, "bf16": {}}'}, "'bf16' twice"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, given: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        check(spec_of(tmp_path, **given))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"zero_optimisation": {}}, "did you mean 'zero_optimization'"),
        ({"zero_optimization": {"stage": 4}}, "stage is 4; it must be 0, 1, 2 or 3"),
        ({"zero_optimization": 3}, "an object in braces"),
        (
            {"zero_optimization": {"stage": 2, "offload_param": {"device": "cpu"}}},
            "offload_param needs zero_optimization.stage 3",
        ),
        (
            {"zero_optimization": {"stage": 3, "offload_param": {"device": "disk"}}},
            "one of none, cpu, nvme",
        ),
        (
            {"zero_optimization": {"stage": 3, "offload_optimizer": {"device": "nvme"}}},
            "nvme_path is missing",
        ),
        ({"train_batch_size": 3}, "times 2 workers is 2; leave train_batch_size out"),
        ({"train_micro_batch_size_per_gpu": "two"}, "whole number of at least 1"),
        ({"fp16": {"enabled": True}}, "processors can't train in"),
        ({"fp16": {"enabled": True}, "bf16": {"enabled": True}}, "both fp16 and bf16"),
        ({"optimizer": {"type": "AdamW", "params": {"lr": "small"}}}, "optimizer.params.lr"),
        ({"optimizer": {"params": {}}}, "optimizer.type"),
        ({"gradient_clipping": -1}, "gradient_clipping"),
        ({"pipeline": {"stages": 2}}, "this training doesn't do"),
    ],
)
def test_what_deepspeed_would_refuse_or_ignore(
    tmp_path: Path, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        check(spec_of(tmp_path, deepspeedConfig=json.dumps(settings)))


def test_an_unknown_key_is_a_warning() -> None:
    assert "'mystery'" in check_settings({"mystery": 1}, 1, 0)[0]
    assert check_settings(dict(DEFAULT), 12, 1) == []


def test_what_a_job_adds(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"zero_optimization": {"stage": 3}}
    assert complete_settings(settings, tmp_path, "job") == []
    assert settings["tensorboard"] == {
        "enabled": True,
        "output_path": str(tmp_path / "tensorboard_dir"),
        "job_name": "job",
    }
    assert settings["zero_optimization"]["stage3_gather_16bit_weights_on_model_save"] is True
    assert settings["train_micro_batch_size_per_gpu"] == 1
    own = {"tensorboard": {"enabled": True, "output_path": "/mine"}, "train_batch_size": 8}
    complete_settings(own, tmp_path, "job")
    assert own["tensorboard"]["output_path"] == "/mine"
    assert "train_micro_batch_size_per_gpu" not in own


def test_data_that_is_not_there(tmp_path: Path) -> None:
    spec = spec_of(tmp_path)
    (tmp_path / "rows.txt").unlink()
    with pytest.raises(InvalidRequestError, match="no data at"):
        check(spec)
