"""Adapters are merged into their base, compared with it, and saved whole or not at all."""

from __future__ import annotations

import errno
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from byzer_lab.bundled import bundled_model
from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError
from byzer_lab.jobs import JobSpec
from byzer_lab.training import converting, merging
from byzer_lab.training.parameters import converting as converting_parameters
from byzer_lab.training.parameters import merging as merging_parameters
from tests.engines.conftest import answer, ask, load_engine
from tests.support.notes import Notes

BASE = bundled_model()
NF4 = {
    "load_in_4bit": True,
    "bnb_4bit_quant_type": "nf4",
    "bnb_4bit_use_double_quant": True,
    "bnb_4bit_compute_dtype": "float32",
}


def make_adapter(
    folder: Path, seed: int, *, rank: int = 4, base: Path | str = BASE, **settings: Any
) -> Path:
    """An adapter with random weights that change the model's answers."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules="all-linear", task_type="CAUSAL_LM", **settings
    )
    adapted = get_peft_model(model, config)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.05)
    adapted.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("adapters")
    return [make_adapter(folder / f"{seed}", seed) for seed in range(2)]


@pytest.fixture
def merge(tmp_path: Path) -> Callable[..., Any]:
    jobs = itertools.count()

    def run(adapters: list[Path], *, model: Path | str = BASE, **parameters: Any) -> Any:
        spec = JobSpec(
            name="merge",
            kind="merge",
            model_path=str(model),
            folder=str(tmp_path / f"job{next(jobs)}"),
            parameters={"adapters": [str(path) for path in adapters], **parameters},
        )
        merging_parameters.check(spec)
        return merging.run(spec, Notes())

    return run


def load(folder: Path | str, **options: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **options)


async def test_a_merged_adapter_deploys_and_says_what_base_and_adapter_say(
    adapters: list[Path], merge: Callable[..., Any], tmp_path: Path
) -> None:
    end = merge(adapters[:1], savePath=str(tmp_path / "merged"), dtype="float32")
    assert end.state == "completed"
    assert end.result["agreement"] == 1.0
    assert end.result["max_difference"] < 1e-3 < 0.1 < end.result["changed"]
    merged = Path(end.artefacts["model"])
    assert merged == tmp_path / "merged"
    assert not (merged / "adapter_config.json").exists()
    assert json.loads((merged / "byzer_train.json").read_text())["result"] == end.result
    answers = []
    for folder in (merged, adapters[0]):
        engine = load_engine(folder, {"dtype": "float32"})
        answers.append(await answer(engine, ask("What is the capital of", max_tokens=12)))
        await engine.close()
    assert answers[0][0] == answers[1][0] != ""


@pytest.mark.parametrize("combination", ["linear", "ties", "dare_linear", "cat", "svd"])
def test_several_adapters(
    adapters: list[Path], merge: Callable[..., Any], combination: str
) -> None:
    end = merge(adapters, weights=[0.75, 0.5], combination=combination, dtype="float32")
    assert end.result["max_difference"] < 1e-2
    if combination != "cat":
        return
    base, both = load(BASE), load(end.artefacts["model"])
    name = "model.layers.1.mlp.up_proj.weight"
    expected = base.state_dict()[name].clone()
    for share, adapter in zip([0.75, 0.5], adapters, strict=True):
        one = merge([adapter], dtype="float32")
        expected += share * (
            load(one.artefacts["model"]).state_dict()[name] - base.state_dict()[name]
        )
    torch.testing.assert_close(both.state_dict()[name], expected, rtol=1e-4, atol=1e-5)


def test_an_adapter_of_a_quantised_base(
    adapters: list[Path], tmp_path: Path, merge: Callable[..., Any]
) -> None:
    adapter = make_adapter(tmp_path / "adapter", 5)
    (adapter / "byzer_train.json").write_text(json.dumps({"quantization": NF4}))
    end = merge([adapter], dtype="float32")
    merged = load(end.artefacts["model"])
    assert getattr(merged.config, "quantization_config", None) is None
    quantised = load(
        BASE, quantization_config=BitsAndBytesConfig(**NF4), device_map={"": "cpu"}
    ).dequantize()
    name = "model.embed_tokens.weight"  # no adapter there
    assert torch.equal(merged.state_dict()[name], quantised.state_dict()[name])
    assert end.result["agreement"] >= 0.995
    with pytest.raises(EngineError, match="says something else") as caught:
        merge([adapter], dtype="float32", base="original")
    assert caught.value.details["agreement"] < end.result["agreement"]
    with pytest.raises(InvalidRequestError, match="quantised otherwise"):
        merge([adapter, adapters[0]])


def test_a_merge_that_drifts_saves_nothing(
    adapters: list[Path], merge: Callable[..., Any], tmp_path: Path
) -> None:
    target = tmp_path / "out" / "merged"
    target.mkdir(parents=True)
    (target / "earlier.txt").touch()
    with pytest.raises(EngineError, match="Nothing was saved") as caught:
        merge(adapters[:1], savePath=str(target), overwrite=True, tolerance=1e-9)
    assert caught.value.details["drift"] > 1e-9
    assert list((tmp_path / "out").iterdir()) == [target]
    assert [entry.name for entry in target.iterdir()] == ["earlier.txt"]
    merge(adapters[:1], savePath=str(target), overwrite=True)
    assert list((tmp_path / "out").iterdir()) == [target]
    assert (target / "model.safetensors").is_file()
    assert not (target / "earlier.txt").exists()


def test_both_key_forms_and_a_conversion_that_is_a_merge(
    adapters: list[Path], tmp_path: Path
) -> None:
    # As the README writes it: action="convert" with an adapter's folder.
    seed = JobSpec(
        name="seed",
        kind="convert",
        model_path=str(BASE),
        folder=str(tmp_path / "job"),
        parameters={"checkpoint_dir": str(adapters[0]), "savePath": str(tmp_path / "seed")},
    )
    converting_parameters.check(seed)
    first = converting.run(seed, Notes())
    # As Byzer-LLM takes it, and with the adapter's folder for the model: it names its base.
    real = JobSpec(
        name="real",
        kind="merge",
        model_path=str(adapters[0]),
        folder=str(tmp_path / "job2"),
        parameters={"adapterNameOrPath": str(adapters[0]), "savePath": str(tmp_path / "real")},
    )
    merging_parameters.check(real)
    second = merging.run(real, Notes())
    assert first.result == second.result
    assert (tmp_path / "seed" / "model.safetensors").read_bytes() == (
        tmp_path / "real" / "model.safetensors"
    ).read_bytes()
    # An attempt that was lost after its end finds what it has saved.
    assert merging.run(real, Notes()).result == second.result


def test_an_adapter_of_another_model(merge: Callable[..., Any], tmp_path: Path) -> None:
    from tests.engines.conftest import make_model

    other = make_model("gpt_neox", tmp_path / "other")
    adapter = make_adapter(tmp_path / "adapter", 1, base=other)
    with pytest.raises(InvalidRequestError, match="doesn't fit its base model"):
        merge([adapter], savePath=str(tmp_path / "merged"))
    assert not (tmp_path / "merged").exists()
    assert not list(tmp_path.glob(".merged*"))


def test_a_full_disk_is_one_sentence(
    adapters: list[Path],
    merge: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import PreTrainedModel

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
    with pytest.raises(EngineError, match="The disk is full") as caught:
        merge(adapters[:1], savePath=str(tmp_path / "out" / "merged"))
    assert caught.value.message.count("MiB free") == 1
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"savePath": "/proc/version/merged"}, "Nothing can be written into '/proc/version'"),
        ({"savePath": "{taken}"}, "is not empty"),
        ({"adapters": ["/nowhere"]}, "'/nowhere' does not exist"),
        ({"adapters": None}, "adapters is missing"),
        ({"weights": [1, 2]}, "2 numbers for 1 adapters"),
        ({"density": 0.3}, "belongs to ties"),
        ({"combination": "sum"}, "one of linear, ties"),
        ({"save_pth": "x"}, "did you mean savePath|did you mean save_path"),
    ],
)
def test_what_is_wrong_is_said_before_anything_starts(
    adapters: list[Path], tmp_path: Path, parameters: dict[str, Any], sentence: str
) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "model.safetensors").touch()
    given = {"adapters": str(adapters[0]), **parameters}
    given = {
        n: v.format(taken=tmp_path / "taken") if isinstance(v, str) else v for n, v in given.items()
    }
    spec = JobSpec(
        name="m", kind="merge", model_path="bundled", folder=str(tmp_path), parameters=given
    )
    with pytest.raises(ByzerLabError, match=sentence):
        merging_parameters.check(spec)
    with pytest.raises(ByzerLabError, match=sentence):
        merging.run(spec, Notes())
