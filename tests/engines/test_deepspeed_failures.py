"""Ranks that are lost, workers that are lost, models that can't be split, and weights kept outside.

Each test starts ranks of its own and leaves no process and no folder behind.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from byzer_lab.errors import EngineDeadError, EngineError, InvalidRequestError
from tests.engines.conftest import answer, ask, make_tokenizer
from tests.support.ranks import alive, load_ranks, process_ids

REPOSITORY = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where ranks keep what they need; empty again in the end."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert list(folder.glob("byzer-lab-ranks-*")) == []


def gone(processes: list[int], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while any(map(alive, processes)) and time.monotonic() < end:
        time.sleep(0.02)
    return not any(map(alive, processes))


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_killed_rank_fails_every_open_request_and_ends_the_others(
    model_folder: Callable[[str], Path], lost: int
) -> None:
    engine = load_ranks(model_folder("llama"), {"tensor_parallel_size": 2})
    ranks = process_ids(engine)
    try:
        streams = [engine.generate(ask("hello", ignore_eos=True)) for _ in range(3)]
        async with asyncio.timeout(30):
            for stream in streams:
                await anext(stream)
            os.kill(ranks[lost], signal.SIGKILL)
            words = rf"Rank {lost} of 2 is gone: its process was ended by SIGKILL"
            for stream in streams:
                with pytest.raises(EngineDeadError, match=words):
                    await drain(stream)
            with pytest.raises(EngineDeadError, match=words):
                await answer(engine, ask("hello"))
        assert gone(ranks)
    finally:
        await engine.close()


async def test_closing_fails_what_runs(model_folder: Callable[[str], Path]) -> None:
    engine = load_ranks(model_folder("llama"), {})
    ranks = process_ids(engine)
    assert len(ranks) == 1
    stream = engine.generate(ask("hello", ignore_eos=True))
    await anext(stream)
    async with asyncio.timeout(20):
        await engine.close()
        with pytest.raises(EngineDeadError, match="shut down"):
            await drain(stream)
        with pytest.raises(EngineError, match="shut down"):
            await answer(engine, ask("hello"))
    assert not any(map(alive, ranks))


async def drain(stream: Any) -> None:
    async for _ in stream:
        pass


def test_ranks_end_with_their_worker_even_when_it_is_killed(
    model_folder: Callable[[str], Path], scratch: Path
) -> None:
    program = (
        "import sys, time\n"
        "from tests.support.ranks import load_ranks, process_ids\n"
        "engine = load_ranks(sys.argv[1], {'tensor_parallel_size': 2})\n"
        "print('ranks', *process_ids(engine), flush=True)\n"
        "time.sleep(600)\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", program, str(model_folder("llama"))],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    )
    try:
        assert worker.stdout is not None
        line = next((line for line in worker.stdout if line.startswith("ranks")), "")
        ranks = [int(word) for word in line.split()[1:]]
        assert len(ranks) == 2
        assert all(map(alive, ranks))
    finally:
        worker.kill()
        worker.wait()
        assert worker.stdout is not None
        worker.stdout.close()
    assert gone(ranks)


def test_a_model_that_cannot_be_split_is_refused(tmp_path: Path) -> None:
    """One key and value for all heads: there is nothing to give to the second rank."""
    config = transformers.FalconConfig(
        vocab_size=len(make_tokenizer()),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        multi_query=True,
        new_decoder_architecture=False,
        bias=False,
    )
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path / "falcon")
    make_tokenizer().save_pretrained(tmp_path / "falcon")
    with pytest.raises(
        InvalidRequestError, match=r"can't split FalconForCausalLM over 2 ranks: .*Use 1 rank"
    ):
        load_ranks(tmp_path / "falcon", {"tensor_parallel_size": 2})


def test_quantised_weights_are_refused(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "quantised"
    shutil.copytree(model_folder("llama"), folder)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "gptq", "bits": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidRequestError, match="quantised"):
        load_ranks(folder, {"tensor_parallel_size": 2})


async def test_weights_in_the_hosts_memory_give_the_same_answers(
    model_folder: Callable[[str], Path],
) -> None:
    """Two ranks share the weights and bring each layer together when it is needed."""
    folder = model_folder("llama")
    engine = load_ranks(folder, {"zero_offload": "cpu"}, gpus=2)
    ranks = process_ids(engine)
    try:
        meta = engine.meta()
        assert meta["zero_offload"] == "cpu"
        assert meta["world_size"] == 2
        model = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
        assert meta["parameters"] == model.num_parameters()
        assert sum(meta["parameters_per_rank"]) == pytest.approx(meta["parameters"], rel=0.01)
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        prompts = ["hello", "the quick brown fox jumps over the lazy dog", "today"]
        asked = [answer(engine, ask(prompt, max_tokens=16)) for prompt in prompts]
        for prompt, (text, _) in zip(prompts, await asyncio.gather(*asked), strict=True):
            ids = tokenizer(prompt, return_tensors="pt").input_ids
            mask = torch.ones_like(ids)
            made = model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=16)
            wanted = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
            assert text.rstrip("\ufffd") == wanted.rstrip("\ufffd")
    finally:
        await engine.close()
    assert not any(map(alive, ranks))


def test_a_disk_that_cannot_be_written_is_refused(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(InvalidRequestError, match=r"Nothing can be written into the nvme_path"):
        load_ranks(model_folder("llama"), {"zero_offload": "nvme", "nvme_path": str(missing)})


def test_an_offload_to_a_disk_without_libaio_is_refused(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    from deepspeed.ops.op_builder import AsyncIOBuilder

    if AsyncIOBuilder().is_compatible(verbose=False):
        pytest.skip("libaio is installed here: the offload to a disk would run")
    disk = tmp_path / "disk"
    disk.mkdir()
    with pytest.raises(InvalidRequestError, match="needs libaio"):
        load_ranks(model_folder("llama"), {"zero_offload": "nvme", "nvme_path": str(disk)})
    assert list(disk.iterdir()) == []
