"""What a finetuning may be told, and what it fills in."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.training.parameters.dpo import read as read_dpo
from byzer_lab.training.parameters.sft import check, read
from tests.support.facts import alpaca_rows, write_lines


def spec(parameters: dict[str, Any], workers: int = 1) -> JobSpec:
    return JobSpec(
        name="a", kind="sft", model_path="bundled", folder="/a", workers=workers,
        parameters=parameters,
    )  # fmt: skip


def test_byzer_llms_spellings() -> None:
    parameters, told = read(
        spec(
            {
                "sft.int.max_seq_length": "512",
                "sft.float.learning_rate": "1e-4",
                "sft.bool.gradient_checkpointing": "true",
                "sft.list.target_modules": '["q_proj", "v_proj"]',
                "sft.dict.lr_scheduler_kwargs": '{"num_cycles": 2}',
                "skipCopyPretrainedModel": "true",
                "sft.str.lr_scheduler_type": "cosine_with_restarts",
                "sft.bool.packing": "true",
            }
        )
    )
    assert parameters.max_seq_length == 512
    assert parameters.learning_rate == 1e-4
    assert parameters.target_modules == ["q_proj", "v_proj"]
    assert parameters.skip_copy_pretrained_model
    assert parameters.packing == "true"
    assert told.arguments == {
        "gradient_checkpointing": True,
        "lr_scheduler_kwargs": {"num_cycles": 2},
        "lr_scheduler_type": "cosine_with_restarts",
    }


def test_what_stands_beside_the_config_wins() -> None:
    config = '{"learning_rate": 1, "max_length": 64, "weight_decay": 0.1, "warmup_ratio": 0.2}'
    parameters, told = read(
        spec({"config": config, "sft.float.learning_rate": 0.5, "sft.int.max_seq_length": 128})
    )
    assert (parameters.learning_rate, parameters.max_seq_length) == (0.5, 128)
    assert (parameters.warmup_steps, told.arguments) == (0.2, {"weight_decay": 0.1})


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lora_rnk": 8}, "A finetuning .* no parameter 'lora_rnk'; did you mean lora_rank"),
        ({"adam_beta": 0.9}, "no parameter 'adam_beta'; did you mean adam_beta"),
        ({"sft.list.target_modules": "[q_proj]"}, "target_modules is no valid JSON"),
        ({"lora_rank": 0}, "lora_rank is 0; it must be a whole number of at least 1"),
        ({"sft.integer.lora_rank": 8}, "has the type 'integer'"),
        ({"config": "{lora"}, "config is no valid JSON"),
        ({"config": "[1]"}, "config is .* must be a JSON object"),
        ({"method": "qlora", "fp16": "perhaps"}, "fp16 is 'perhaps'"),
        ({"completion_only_loss": False}, "only answers are trained on"),
    ],
)
def test_mistakes(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRequestError, match=words):
        read(spec(given))


def test_names_that_mean_nothing_here_are_told() -> None:
    _, told = read(spec({"output_dir": "/elsewhere", "model_type": "casual_lm"}))
    assert told.arguments == {}
    assert told.warnings == [
        "output_dir is not taken: checkpoints lie in finetune_model/ of the job's folder.",
        "model_type is not taken: the model's own config.json counts.",
    ]


def test_rows_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="data_path is missing"):
        check(spec({}))
    there = spec({"eval_data_path": str(tmp_path / "none.jsonl")})
    there.data_path = str(write_lines(tmp_path / "rows.jsonl", alpaca_rows(1)))
    with pytest.raises(InvalidRequestError, match="There is no data at"):
        check(there)


def test_preferences_have_the_trainers_other_arguments() -> None:
    parameters, told = read_dpo(spec({"beta": 0.2, "loss_type": "ipo"}))
    assert (parameters.beta, told.arguments) == (0.2, {"loss_type": ["ipo"]})
    with pytest.raises(InvalidRequestError, match="no parameter 'packing'"):
        read_dpo(spec({"packing": True}))


def test_the_table_of_arguments_is_the_installed_librarys() -> None:
    root = Path(__file__).parent.parent.parent
    place = importlib.util.spec_from_file_location("tool", root / "tools" / "trainer_arguments.py")
    assert place is not None
    assert place.loader is not None
    tool = importlib.util.module_from_spec(place)
    place.loader.exec_module(tool)
    assert tool.TARGET.read_text() == tool.main()


class Model:
    """As much of a model as the length of a run depends on."""

    method = "lora"
    window = 512

    def __init__(self, narrow: float = 1.0) -> None:
        self.narrow = narrow


def plan(
    given: dict[str, Any],
    rows: int,
    *,
    narrow: float = 1.0,
    workers: int = 1,
    held_out: bool = False,
) -> Any:
    from byzer_lab.training.sft.arguments import plan_run

    job = spec(given, workers)
    parameters, told = read(job)
    model: Any = Model(narrow)
    return plan_run(job, parameters, told, model, rows, held_out=held_out)


def test_a_large_run_has_byzer_llms_defaults() -> None:
    found = plan({}, 160_000)
    expected = {
        "num_train_epochs": 1,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 16,
        "learning_rate": 2e-4,
        "logging_steps": 50,
        "save_steps": 500,
        "lr_scheduler_type": "cosine",
        "weight_decay": 0,
        "max_grad_norm": 0.3,
        "warmup_steps": 300,
        "gradient_checkpointing": False,
        "seed": 42,
        "remove_unused_columns": False,
        "optim": "adamw_torch",
        "fp16": False,
    }
    assert {name: found.arguments[name] for name in expected} == expected
    assert (found.steps, found.warnings) == (10_000, [])


def test_few_rows_are_trained_on_more_often() -> None:
    found = plan({}, 33, narrow=16)
    assert found.arguments["per_device_train_batch_size"] == 11  # three equal steps
    assert found.arguments["gradient_accumulation_steps"] == 1
    assert found.steps == 102
    assert "33 rows are few: they are trained on 34 times" in found.warnings[0]
    assert found.arguments["logging_steps"] == 1
    assert plan({"num_train_epochs": 1}, 33).steps == 3
    assert plan({"epochs": 2}, 64, workers=2).steps == 8
    found = plan({}, 33, workers=4)  # of 9 rows each
    assert found.arguments["gradient_accumulation_steps"] == 3
    assert found.steps == 102


def test_values_that_would_harm_are_mended() -> None:
    found = plan({"warmup_steps": 3000, "logging_steps": 300, "num_train_epochs": 1}, 320)
    assert (found.steps, found.arguments["warmup_steps"], found.arguments["logging_steps"]) == (
        20,
        2,
        1,
    )
    assert "warmup_steps is 3000, but the run has 20 steps" in " ".join(found.warnings)
    assert "logging_steps is 300" in " ".join(found.warnings)
    found = plan({"fp16": True, "optim": "paged_adamw_32bit", "eval_strategy": "steps"}, 16_000)
    assert (found.arguments["fp16"], found.arguments["optim"]) == (False, "adamw_torch")
    assert found.arguments["eval_strategy"] == "no"
    assert len(found.warnings) == 3


def test_rows_held_out_are_evaluated_on() -> None:
    found = plan({}, 16_000, held_out=True)
    assert (found.arguments["eval_strategy"], found.arguments["eval_steps"]) == ("steps", 100)
    found = plan({"eval_strategy": "epoch"}, 16_000, held_out=True)
    assert found.arguments["eval_strategy"] == "epoch"


def test_the_trainers_own_refusal_is_told(tmp_path: Path) -> None:
    from trl import SFTConfig

    from byzer_lab.training.sft.arguments import build

    found = plan({"lr_scheduler_type": "round"}, 100)
    with pytest.raises(InvalidRequestError, match="refuses its arguments: .*round is not"):
        build(SFTConfig, found, spec({}))
