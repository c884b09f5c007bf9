"""Adapters that each request chooses: several in one batch, each as PEFT computes it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.engines.transformers.parameters import read_infer_params
from byzer_lab.errors import InvalidRequestError
from byzer_lab.types import GenerateRequest, Sampling
from tests.engines.conftest import answer, load_engine
from tests.engines.test_transformers_adapters import generated

peft = pytest.importorskip("peft")

PROMPTS = ["the quick", "hello", "Byzer Lab answers questions about models. " * 3]
TARGETS = {
    "llama": ["q_proj", "v_proj", "down_proj"],
    "gptj": ["q_proj", "fc_in"],
}


def train(base: Path, folder: Path, targets: list[str], seed: int, **options: Any) -> Any:
    """Save an adapter with random weights; returns the adapted model."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    config = peft.LoraConfig(r=4, lora_alpha=16, target_modules=targets, **options)
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_" in name:
                weights.normal_(0, 0.2)
    model.save_pretrained(folder)
    return model.eval()


def ask(prompt: str, adapter: str | None, **sampling: Any) -> GenerateRequest:
    chosen = Sampling(**{"max_tokens": 16, **sampling})
    return GenerateRequest(
        f"{adapter}-{prompt[:5]}", prompt=prompt, sampling=chosen, adapter=adapter
    )


async def text_of(engine: TransformersEngine, request: GenerateRequest) -> str:
    return (await answer(engine, request))[0].rstrip("\ufffd")


@pytest.fixture(scope="module", params=["llama", "gptj"])
def served(
    request: pytest.FixtureRequest,
    model_folder: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[TransformersEngine, dict[tuple[str | None, str], str]]]:
    """An engine with two adapters, and what PEFT answers of each."""
    base = model_folder(request.param)
    folders = {name: tmp_path_factory.mktemp(name) for name in ("one", "two")}
    wanted = {}
    for seed, (name, folder) in enumerate(folders.items()):
        # The second changes other layers, with another rank's scale.
        targets = TARGETS[request.param][seed:]
        model = train(base, folder, targets, seed, use_rslora=name == "two")
        wanted |= {(name, prompt): generated(model, base, prompt) for prompt in PROMPTS}
    plain = load_engine(base, concurrency=2)
    wanted |= {(None, prompt): asyncio.run(text_of(plain, ask(prompt, None))) for prompt in PROMPTS}
    parameters = plain.meta()["parameters"]
    asyncio.run(plain.close())
    given = json.dumps({name: str(folder) for name, folder in folders.items()})
    engine = load_engine(base, {"adapters": given, "max_batch_tokens": 32}, concurrency=16)
    batching = {"llama": "continuous", "gptj": "single"}
    assert engine.meta()["batching"] == batching[request.param]
    assert engine.meta()["parameters"] == parameters
    yield engine, wanted
    asyncio.run(engine.close())


async def test_each_request_gets_its_own_in_one_batch(
    served: tuple[TransformersEngine, dict[tuple[str | None, str], str]],
) -> None:
    engine, wanted = served
    assert len({wanted[name, PROMPTS[0]] for name in (None, "one", "two")}) == 3
    assert engine.meta()["adapters"] == ["one", "two"]
    keys = [(name, prompt) for _ in range(3) for prompt in PROMPTS for name in (None, "one", "two")]
    together = await asyncio.gather(*(text_of(engine, ask(prompt, name)) for name, prompt in keys))
    assert together == [wanted[key] for key in keys]
    alone = [await text_of(engine, ask(prompt, name)) for name, prompt in keys[:9]]
    assert alone == together[:9]


async def test_a_name_that_there_is_not(
    served: tuple[TransformersEngine, dict[tuple[str | None, str], str]],
) -> None:
    engine, _ = served
    with pytest.raises(InvalidRequestError, match="no adapter 'three': .* has one, two"):
        await text_of(engine, ask("hello", "three"))


async def test_they_survive_a_place_given_back(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    base = model_folder("llama")
    train(base, tmp_path, TARGETS["llama"], 0)
    given = {"adapters": {"one": str(tmp_path)}}
    large = load_engine(base, given, concurrency=8)
    small = load_engine(base, {**given, "num_blocks": 12, "page_size": 8}, concurrency=8)
    try:
        asked = [
            ask(prompt, name, max_tokens=50, ignore_eos=True)
            for prompt in PROMPTS[:2] * 2
            for name in (None, "one")
        ]
        wanted = await asyncio.gather(*(text_of(large, one) for one in asked))
        assert await asyncio.gather(*(text_of(small, one) for one in asked)) == wanted
    finally:
        await large.close()
        await small.close()


async def test_on_quantised_weights(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    base = model_folder("llama")
    train(base, tmp_path, TARGETS["llama"], 0)
    chosen = load_engine(base, {"adapters": {"one": str(tmp_path)}, "quantization": 4}, 4)
    whole = load_engine(tmp_path, {"quantization": 4}, 4)
    try:
        wanted = [await text_of(whole, ask(prompt, None)) for prompt in PROMPTS]
        assert [await text_of(chosen, ask(prompt, "one")) for prompt in PROMPTS] == wanted
    finally:
        await chosen.close()
        await whole.close()


def test_what_can_not_be_chosen_is_refused(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    base = model_folder("llama")

    def refused(folder: Path, model: str = "llama") -> str:
        with pytest.raises(InvalidRequestError) as caught:
            load_engine(model_folder(model), {"adapters": {"one": str(folder)}})
        assert "'one'" in caught.value.message
        assert "\n" not in caught.value.message
        return caught.value.message

    assert "does not exist" in refused(tmp_path / "nowhere")
    assert "has no adapter_config.json" in refused(tmp_path)
    train(base, tmp_path / "plain", TARGETS["llama"], 0)
    assert "which has no layer" in refused(tmp_path / "plain", "gpt_neox")
    train(base, tmp_path / "dora", TARGETS["llama"], 0, use_dora=True)
    assert "deploy its folder as model_path" in refused(tmp_path / "dora")
    train(base, tmp_path / "more", ["q_proj"], 0, modules_to_save=["lm_head"])
    assert "changes more than LoRA" in refused(tmp_path / "more")
    from safetensors.torch import load_file, save_file

    file = tmp_path / "plain" / "adapter_model.safetensors"
    weights = {name: value[:, :8].contiguous() for name, value in load_file(file).items()}
    save_file(weights, file)
    assert "doesn't fit the model" in refused(tmp_path / "plain")


@pytest.mark.parametrize("given", ['{"sql": 1}', {"": "/models"}, "sql=/models"])
def test_adapters_are_names_and_folders(given: Any) -> None:
    with pytest.raises(InvalidRequestError, match="adapters"):
        read_infer_params({"adapters": given})
