"""Folders of trained adapters: base and adapter are served together."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.families import make_engine
from byzer_lab.errors import InvalidRequestError
from tests.engines.conftest import answer, ask, load_engine

peft = pytest.importorskip("peft")


def train(base: Path, folder: Path, **options: Any) -> Any:
    """Save an adapter with random weights; returns the adapted model."""
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    config = peft.LoraConfig(
        r=4, lora_alpha=16, target_modules=["q_proj", "v_proj", "down_proj"], **options
    )
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(base), config)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if "lora_" in name:
                weights.normal_(0, 0.2)
    model.save_pretrained(folder)
    return model


def generated(model: Any, folder: Path, prompt: str) -> str:
    """PEFT's own greedy answer."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    made = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=16
    )
    text = str(tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))
    return text.rstrip("\ufffd")


def served(folder: Path, **params: Any) -> tuple[str, dict[str, Any]]:
    engine = load_engine(folder, params, concurrency=4)
    try:
        text, _ = asyncio.run(answer(engine, ask("the quick", max_tokens=16)))
        return text.rstrip("\ufffd"), engine.meta()
    finally:
        asyncio.run(engine.close())


@pytest.fixture
def base(model_folder: Callable[[str], Path]) -> Path:
    return model_folder("llama")


def test_the_layout_of_a_finetuning_job(base: Path, tmp_path: Path) -> None:
    final = tmp_path / "job" / "final"
    wanted = generated(train(base, final), base, "the quick")
    shutil.copytree(base, final / "pretrained_model")
    config = json.loads((final / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "/gone/where/it/was/trained"
    (final / "adapter_config.json").write_text(json.dumps(config))
    text, meta = served(final)
    assert text == wanted
    assert text != served(base)[0]
    assert meta["batching"] == "continuous"
    assert meta["architectures"] == ["LlamaForCausalLM"]
    assert meta["adapter"] == str(final)
    # Its own tokenizer and chat template count, where it was saved with them.
    template = (base / "chat_template.jinja").read_text()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base / name, final)
    (final / "chat_template.jinja").write_text("its own" + template)
    engine = load_engine(final, concurrency=2)
    assert engine._loaded is not None
    assert engine._loaded.tokenizer.chat_template.startswith("its own")
    asyncio.run(engine.close())


@pytest.mark.parametrize("beside", [False, True])
def test_a_base_that_the_adapter_names(base: Path, tmp_path: Path, beside: bool) -> None:
    folder = tmp_path / "adapter"
    wanted = generated(train(base, folder, use_dora=beside), base, "the quick")
    if beside:
        shutil.copytree(base, tmp_path / "base")
        config = json.loads((folder / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = "../base"
        (folder / "adapter_config.json").write_text(json.dumps(config))
    assert served(folder)[0] == wanted


def test_an_adapter_beside_quantised_weights(base: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    train(base, tmp_path)
    settings = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
    whole = AutoModelForCausalLM.from_pretrained(base, quantization_config=settings)
    wanted = generated(peft.PeftModel.from_pretrained(whole, tmp_path), base, "the quick")
    text, meta = served(tmp_path, quatization="4")
    assert text == wanted
    assert (meta["quantization"], meta["batching"]) == ("nf4", "continuous")


def test_what_does_not_fit_is_named(base: Path, tmp_path: Path, gpt_neox: Any) -> None:
    train(base, tmp_path)
    file = tmp_path / "adapter_config.json"
    config = json.loads(file.read_text())

    def refused(**changes: Any) -> str:
        file.write_text(json.dumps({**config, **changes}))
        with pytest.raises(InvalidRequestError) as caught:
            load_engine(tmp_path)
        assert "\n" not in caught.value.message
        return caught.value.message

    gone = refused(base_model_name_or_path="/gone")
    assert "base model of the adapter" in gone
    assert "'/gone'" in gone
    assert "doesn't name its base model" in refused(base_model_name_or_path=None)
    assert "doesn't fit its base model" in refused(r=8)
    assert "doesn't fit its base model" in refused(target_modules=["nowhere"])
    assert "are missing, such as" in refused(target_modules=["q_proj", "k_proj", "v_proj"])
    other = refused(base_model_name_or_path=gpt_neox._config.model_path)
    assert "doesn't fit its base model" in other
    file.write_text("{")
    with pytest.raises(InvalidRequestError, match="can't be read as JSON"):
        load_engine(tmp_path)


def test_other_kinds_of_adapters_are_refused(base: Path, tmp_path: Path) -> None:
    train(base, tmp_path)
    prompt = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    prompt.base_model_name_or_path = str(base)
    prompt.save_pretrained(tmp_path)
    with pytest.raises(InvalidRequestError, match="PROMPT_TUNING, which puts tokens before"):
        load_engine(tmp_path)


def test_an_embedding_model_takes_no_adapter(base: Path, tmp_path: Path) -> None:
    train(base, tmp_path)
    engine = make_engine("transformers", EngineConfig(str(tmp_path), "custom/bge", {}, 1))
    with pytest.raises(InvalidRequestError, match="holds an adapter, not a whole model"):
        engine.load(lambda _: None)
