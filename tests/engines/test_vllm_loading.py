"""Starting and ending vLLM: quantised checkpoints, several ranks, failures, killed processes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("vllm", reason="vLLM is not installed here")

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.vllm import VLLMEngine
from byzer_lab.engines.vllm.news import _place
from byzer_lab.engines.vllm.placement import executor_for
from byzer_lab.engines.vllm.surroundings import Variables
from byzer_lab.errors import EngineDeadError, EngineError, InvalidRequestError
from byzer_lab.types import Message
from tests.engines.conftest import CHATML, answer, ask, load_engine, make_tokenizer
from tests.support.quantised import quantise

ROOT = Path(__file__).parent.parent.parent
YI = {"backend.quantization": "AWQ", "cpu_kv_cache_gib": "0.01"}
QWEN = {
    "backend.gpu_memory_utilization": 0.8,
    "backend.enforce_eager": True,
    "backend.trust_remote_code": True,
    "backend.max_model_len": 128,
    "backend.quantization": "gptq",
}


def load(model: Path | str, **given: Any) -> VLLMEngine:
    engine = VLLMEngine(EngineConfig(str(model), "custom/auto", given, 4))
    engine.load(lambda progress: None)
    return engine


def vllm_processes(worker: int) -> list[psutil.Process]:
    """What vLLM has started for a worker."""
    below = psutil.Process(worker).children(recursive=True)
    return [process for process in below if process.name().startswith("VLLM")]


def make_checkpoint(kind: str, folder: Path) -> Path:
    """A tiny model in bfloat16, wide enough for vLLM's kernels of 4-bit weights."""
    import torch
    import transformers

    tokenizer = make_tokenizer()
    tokenizer.chat_template = CHATML
    config = {"llama": transformers.LlamaConfig, "qwen2": transformers.Qwen2Config}[kind](
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=0.1,
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config)
    model.bfloat16().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


async def logprobs(engine: Any) -> list[tuple[int, float]]:
    request = ask([Message("user", "hello")], temperature=0, max_tokens=8, logprobs=0)
    request.sampling.ignore_eos = True
    found = [one async for chunk in engine.generate(request) for one in chunk.logprobs]
    return [(one.token, one.logprob) for one in found]


@pytest.mark.parametrize(
    ("kind", "method", "given", "window"),
    [("llama", "awq", YI, 256), ("qwen2", "gptq", QWEN, 128)],
)
async def test_a_quantised_checkpoint_of_byzer_llms_examples(
    tmp_path: Path, kind: str, method: str, given: dict[str, Any], window: int
) -> None:
    packed, plain = quantise(make_checkpoint(kind, tmp_path / "base"), tmp_path, method)
    reference = await asyncio.to_thread(load_engine, plain)
    expected = await logprobs(reference)
    await reference.close()
    engine = await asyncio.to_thread(load, packed, **given)
    found = await logprobs(engine)
    meta = engine.meta()
    assert meta["quantization"].removeprefix("auto_") == method
    assert meta["max_model_len"] == window
    # The first tokens of the same rounded weights; then rounding of another kind may part them.
    assert [token for token, _ in found[:3]] == [token for token, _ in expected[:3]]
    for (_, mine), (_, theirs) in zip(found[:3], expected[:3], strict=True):
        assert mine == pytest.approx(theirs, abs=0.1)
    if method == "awq":
        bytes_per_token = 2 * 2 * 2 * 32 * 2  # keys and values, layers, heads, head size, bfloat16
        assert 0.8 < meta["kv_cache_tokens"] * bytes_per_token / (0.01 * 2**30) <= 1
        running = engine.generate(ask("hello", max_tokens=200, ignore_eos=True))
        await anext(running)
        await engine.close()
        with pytest.raises(EngineDeadError, match="shut down"):
            _ = [chunk async for chunk in running]
    else:
        await check_a_dead_engine(engine)
        await engine.close()
    await engine.close()
    assert not vllm_processes(os.getpid())
    with pytest.raises(EngineError, match="not loaded, or was shut down"):
        await answer(engine, ask("hello"))


async def check_a_dead_engine(engine: VLLMEngine) -> None:
    """What running and later requests get when vLLM's process is killed."""
    running = engine.generate(ask("hello", max_tokens=100, ignore_eos=True))
    await anext(running)
    (core,) = vllm_processes(os.getpid())
    core.kill()
    with pytest.raises(EngineDeadError, match="vLLM's engine process failed: it was killed"):
        _ = [chunk async for chunk in running]
    with pytest.raises(EngineDeadError, match="vLLM's engine process failed"):
        await answer(engine, ask("hello"))


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A temporary directory of the test's own, whose path is short enough for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="bl-"))
    yield folder
    shutil.rmtree(folder)


@contextlib.contextmanager
def worker(temporary: Path, log: Path, **given: str) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A worker's process and what it tells; killed at the end."""
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.vllm_worker", json.dumps(given)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "2", "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        assert process.stdout is not None
        told = next((line for line in process.stdout if line.startswith('{"meta"')), None)
        assert told is not None, log.read_text()[-4000:]
        yield process, json.loads(told)
    finally:
        process.kill()
        process.wait()


def test_two_ranks_and_nothing_survives_a_killed_worker(temporary: Path, tmp_path: Path) -> None:
    two = {"backend.tensor_parallel_size": "2"}
    with worker(temporary, tmp_path / "log", **two) as (process, answered):
        assert answered["meta"]["tensor_parallel_size"] == 2
        assert answered["text"] == "Hello! How can I help you today?"
        there = vllm_processes(process.pid)
        assert len(there) == 3  # the engine and its ranks
        addresses = [
            connection.laddr.ip
            for one in [psutil.Process(process.pid), *there]
            for connection in one.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        ]
        assert addresses
        assert set(addresses) <= {"127.0.0.1", "::1"}
    _, alive = psutil.wait_procs(there, timeout=30)
    assert not alive
    (left,) = temporary.iterdir()
    assert left.name.startswith(f"byzer-lab-vllm-{process.pid}-")
    assert len(list(left.iterdir())) > 2  # sockets too
    with worker(temporary, tmp_path / "log") as (process, _):
        (own,) = temporary.iterdir()  # the other one is gone
        assert own != left
        process.terminate()
        assert process.wait(timeout=60) == 0
        assert not list(temporary.iterdir())


def test_vllms_own_cause_is_told_and_nothing_stays(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "broken"
    shutil.copytree(bundled_model(), folder)
    tensors = load_file(folder / "model.safetensors")
    missing = "model.norm.weight"
    del tensors[missing]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineError) as told:
        load(folder)
    assert missing in told.value.message
    assert "\n" not in told.value.message
    assert not vllm_processes(os.getpid())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tensor_parallel_size": 3}, "divisible"),
        ({"max_model_len": 10**6}, "max_model_len"),
        ({"structured_outputs_config": {"backend": "magic"}}, "structured_outputs_config is"),
        ({"engine_args": {"gpu_memory_utilisation": 0.5}}, "has no argument .* gpu_memory_util"),
        ({"attention_backend": "MAGIC"}, "attention_backend is 'MAGIC'; it must be one of"),
        ({"adapters": {"a": "/nowhere"}}, "of the adapter 'a' does not exist"),
    ],
    ids=str,
)
def test_what_vllm_does_not_take_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said) as told:
        load(bundled_model(), **given)
    assert "\n" not in told.value.message
    assert len(told.value.message) < 1000
    assert not vllm_processes(os.getpid())


def test_a_wrong_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="There is no folder"):
        load(tmp_path / "nowhere")
    with pytest.raises(InvalidRequestError, match=r"has no config\.json"):
        load(tmp_path)
    (tmp_path / "config.json").write_text('{"architectures": ["Nonsense"], "model_type": "llama"}')
    with pytest.raises(InvalidRequestError, match="vLLM can't serve .*Nonsense"):
        load(tmp_path)


def test_a_model_that_writes_no_text_is_refused(bert: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no model that writes text.*custom/bge"):
        load(bert)


@pytest.mark.parametrize(
    ("ranks", "on_cpu", "in_group", "executor"),
    [
        (1, True, False, "uni"),
        (1, False, True, None),
        (2, True, True, "mp"),
        (2, False, False, "mp"),
        (4, False, True, "ray"),
    ],
)
def test_where_the_ranks_run(ranks: int, on_cpu: bool, in_group: bool, executor: str) -> None:
    assert executor_for(ranks, on_cpu=on_cpu, in_group=in_group) == executor


def test_what_the_gpus_of_a_worker_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    from byzer_lab.engines.vllm import arguments

    def defaults(gpus: float, **asked: Any) -> dict[str, Any]:
        return arguments._where(gpus, asked)

    assert defaults(0) == {"tensor_parallel_size": 1, "distributed_executor_backend": "uni"}
    monkeypatch.setattr(arguments, "on_processor", lambda: False)
    alone = {"tensor_parallel_size": 1, "distributed_executor_backend": None}
    assert defaults(1) == alone
    assert defaults(0.5) == {**alone, "gpu_memory_utilization": 0.45}
    two = {"tensor_parallel_size": 2, "distributed_executor_backend": "mp"}
    assert defaults(2) == two
    monkeypatch.setattr(arguments, "in_placement_group", lambda: True)
    assert defaults(2) == {**two, "distributed_executor_backend": "ray"}
    # One rank of the deployment's own choice needs no other process.
    assert defaults(2, tensor_parallel_size=1)["distributed_executor_backend"] is None


def test_where_the_files_lie() -> None:
    longest = "/" + "x" * 29
    assert _place(longest) == Path(longest)
    assert len(f"{longest}/byzer-lab-vllm-4194304-12345678/{uuid.uuid4()}") < 100
    assert _place(longest + "x") == _place(None)


def test_ranks_on_other_machines_get_no_folder_of_this_one() -> None:
    variables = Variables("/logging.json", Path("/folder"), offline=False)
    variables.over_machines("127.0.0.1:6379")
    before = dict(os.environ)
    with variables:
        changed = {name for name in os.environ if os.environ[name] != before.get(name)}
    assert "RAY_ADDRESS" in changed
    assert not changed & {"TMPDIR", "VLLM_RPC_BASE_PATH"}
