"""Weights in fewer bits, in all of Byzer-LLM's spellings, inside the continuous batch."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.engines.transformers.parameters import read_infer_params
from byzer_lab.errors import EngineError, InvalidRequestError
from tests.engines.conftest import answer, ask, load_engine
from tests.support.encoders import change_config

NAMES = (
    "quantization",
    "quatization",
    "backend.quantization",
    "backend.quatization",
    "infer.bool.load_in_4bit",
)
installed = importlib.util.find_spec


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("value", "read"),
    [("4", "4"), (4, "4"), ("8", "8"), (True, "true"), ("False", "false"), ("AWQ", "awq")],
)
def test_every_spelling_of_the_seed_is_read(name: str, value: Any, read: str) -> None:
    assert read_infer_params({name: value}).quantization == read


def test_what_is_no_format_is_refused_when_the_engine_is_made() -> None:
    with pytest.raises(InvalidRequestError, match="quantization is '3'; it must be one of 4, 8"):
        read_infer_params({"quatization": 3})
    with pytest.raises(InvalidRequestError, match="quatization is given twice"):
        read_infer_params({"quatization": 4, "quantization": 4})


def test_names_without_an_effect_are_accepted(caplog: pytest.LogCaptureFixture) -> None:
    read = read_infer_params({"backend.message_format": "true", "backend.use_cache": "false"})
    assert read.use_cache is False
    assert "message_format has no effect" in caplog.text


def logits(engine: TransformersEngine) -> torch.Tensor:
    loaded = engine._loaded
    assert loaded is not None
    ids = loaded.tokenizer("the quick brown fox", return_tensors="pt").input_ids
    with torch.no_grad():
        return loaded.model(ids).logits.float().flatten()


def generated(engine: TransformersEngine, prompt: str) -> str:
    """The library's own greedy answer of the quantised model."""
    loaded = engine._loaded
    assert loaded is not None
    ids = loaded.tokenizer(prompt, return_tensors="pt").input_ids
    made = loaded.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=12
    )
    return str(loaded.tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True))


@pytest.mark.parametrize(
    ("value", "format", "library", "near"),
    [
        (4, "nf4", "bitsandbytes", 0.9),
        ("true", "nf4", "bitsandbytes", 0.9),
        ("8", "llm.int8", "bitsandbytes", 0.99),
        ("int8", "int8", "torchao", 0.99),
        ("int4", "int4", "torchao", 0.9),
    ],
)
def test_it_is_made_while_loading_and_runs_in_one_batch(
    value: Any,
    format: str,
    library: str,
    near: float,
    model_folder: Callable[[str], Path],
    llama: TransformersEngine,
) -> None:
    folder = model_folder("llama")
    if installed(library) is None:
        with pytest.raises(InvalidRequestError, match=f"needs {library} for quantization"):
            load_engine(folder, {"quantization": value})
        return
    engine = load_engine(folder, {"quantization": value, "num_threads": 1}, concurrency=8)
    try:
        meta = engine.meta()
        assert (meta["quantization"], meta["batching"]) == (format, "continuous")
        assert meta["parameters"] == llama.meta()["parameters"]
        assert torch.nn.functional.cosine_similarity(logits(engine), logits(llama), 0) > near
        assert not torch.equal(logits(engine), logits(llama))
        asked = [ask(word, max_tokens=12, logprobs=1) for word in ("hello", "the quick", "a")]

        async def together() -> list[str]:
            answers = await asyncio.gather(*(answer(engine, one) for one in asked))
            return [text for text, _ in answers]

        first = asyncio.run(together())
        assert all(first)
        if format != "llm.int8":  # whose outliers are found over the whole batch
            assert first[0].rstrip("\ufffd") == generated(engine, "hello").rstrip("\ufffd")
    finally:
        asyncio.run(engine.close())


def copy_of(model: Path, folder: Path, **config: Any) -> Path:
    shutil.copytree(model, folder)
    change_config(folder, **config)
    return folder


def test_a_checkpoint_of_its_own_format_needs_its_library(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    if installed("gptqmodel") is not None:
        pytest.skip("gptqmodel is installed")
    for method in ("gptq", "awq"):
        folder = copy_of(
            model_folder("llama"),
            tmp_path / method,
            quantization_config={"quant_method": method, "bits": 4, "group_size": 32},
        )
        with pytest.raises(InvalidRequestError, match=rf"gptqmodel.* stored as {method}.*\[gptq\]"):
            load_engine(folder)
        with pytest.raises(InvalidRequestError, match=r"gptqmodel.*'byzer-lab\[gptq\]'"):
            load_engine(folder, {"backend.quantization": method.upper()})


def test_a_checkpoint_that_was_quantised_by_bitsandbytes(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    from transformers import AutoModelForCausalLM

    made = load_engine(model_folder("llama"), {"quantization": "4"}, concurrency=2)
    loaded = made._loaded
    assert loaded is not None
    loaded.model.save_pretrained(tmp_path)
    loaded.tokenizer.save_pretrained(tmp_path)
    asyncio.run(made.close())
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["quantization_config"]["quant_method"] == "bitsandbytes"
    engine = load_engine(tmp_path, concurrency=2)
    assert engine.meta()["quantization"] == "bitsandbytes"
    ids = loaded.tokenizer("the quick brown fox", return_tensors="pt").input_ids
    with torch.no_grad():
        wanted = AutoModelForCausalLM.from_pretrained(tmp_path)(ids).logits.float().flatten()
    assert torch.allclose(logits(engine), wanted, atol=1e-4)
    asyncio.run(engine.close())
    with pytest.raises(InvalidRequestError, match="quantised already, as bitsandbytes"):
        load_engine(tmp_path, {"quantization": "8"})


def test_a_format_that_the_checkpoint_is_not(
    model_folder: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from byzer_lab.engines.transformers import quantization

    monkeypatch.setattr(quantization, "find_spec", lambda name: name)  # as if all were there
    with pytest.raises(InvalidRequestError, match="'gptq', but the checkpoint .* not quantised"):
        load_engine(model_folder("llama"), {"quantization": "gptq"})


def test_without_a_cache_requests_run_alone(
    model_folder: Callable[[str], Path], llama: TransformersEngine
) -> None:
    engine = load_engine(model_folder("llama"), {"use_cache": "false"}, concurrency=2)
    try:
        assert engine.meta()["batching"] == "single"
        wanted, _ = asyncio.run(answer(llama, ask("hello", max_tokens=10)))
        assert asyncio.run(answer(engine, ask("hello", max_tokens=10)))[0] == wanted
    finally:
        asyncio.run(engine.close())


def test_an_error_of_the_library_is_one_sentence(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    pytest.importorskip("bitsandbytes")
    folder = copy_of(model_folder("llama"), tmp_path / "model", quantization_config={"bits": 4})
    with pytest.raises((InvalidRequestError, EngineError)) as caught:
        load_engine(folder)
    assert "\n" not in caught.value.message
