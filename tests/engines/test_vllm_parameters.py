"""The vLLM backend's parameters: vLLM's engine arguments by a table, checked without vLLM."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.engines import BACKENDS, backend_name
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.vllm import VLLMEngine
from byzer_lab.engines.vllm.adapters import Adapter, choose_adapter, find_adapters, fitting_rank
from byzer_lab.engines.vllm.parameters import LORA_RANKS, OWN, TABLE, read_parameters
from byzer_lab.errors import InvalidRequestError

ROOT = Path(__file__).parent.parent.parent


def test_the_backend_has_its_names() -> None:
    assert backend_name("vllm") == backend_name("ray/vllm") == "vllm"
    assert BACKENDS["vllm"].concurrency == 100


@pytest.mark.parametrize("prefix", ["", "backend."])
def test_values_arrive_as_their_kind(prefix: str) -> None:
    given = {
        "gpu_memory_utilization": "0.9",
        "max_model_len": "32768",
        "enforce_eager": "true",
        "trust_remote_code": True,
        "quantization": "AWQ",
        "max_num_batched_tokens": 4096,
        "enable_lora": "True",
        "max_lora_rank": "64",
        "disable_log_stats": "False",
        "hf_overrides": '{"rope_theta": 10000.0}',
        "cudagraph_capture_sizes": "1,2,4",
        "tokenizer": "other",
    }
    found = read_parameters({prefix + name: value for name, value in given.items()}).arguments
    assert found == {
        "gpu_memory_utilization": 0.9,
        "max_model_len": 32768,
        "enforce_eager": True,
        "trust_remote_code": True,
        "quantization": "awq",
        "max_num_batched_tokens": 4096,
        "enable_lora": True,
        "max_lora_rank": 64,
        "disable_log_stats": False,
        "hf_overrides": {"rope_theta": 10000.0},
        "cudagraph_capture_sizes": [1, 2, 4],
        "tokenizer": "other",
    }


@pytest.mark.parametrize("quantization", ["AWQ", "GPTQ", "gptq"])
def test_the_snippets_of_byzer_llm_are_accepted(quantization: str) -> None:
    snippet = {
        "backend.gpu_memory_utilization": 0.8,
        "backend.enforce_eager": False,
        "backend.trust_remote_code": True,
        "backend.max_model_len": 1024 * 4,
        "backend.quantization": quantization,
    }
    found = read_parameters(snippet).arguments
    assert found == {
        "gpu_memory_utilization": 0.8,
        "enforce_eager": False,
        "trust_remote_code": True,
        "max_model_len": 4096,
        "quantization": quantization.lower(),
    }


@pytest.mark.parametrize("name", ["backend.worker_use_ray", "backend.engine_use_ray", "udfName"])
def test_names_that_are_gone_are_left_out_with_a_reason(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert read_parameters({name: "true"}).arguments == {}
    assert name.removeprefix("backend.") in caplog.text
    assert "left out" in caplog.text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"backend.quantisation": "awq"}, "did you mean quantization"),
        ({"max_model_length": 5}, "max_model_len"),
        ({"backend.bananas": 5}, "engine_args"),
        ({"backend.quantization": "AWK"}, "one of auto_awq"),
        ({"backend.max_model_len": "long"}, "a whole number"),
        ({"backend.gpu_memory_utilization": 1.5}, "at most 1"),
        ({"backend.enforce_eager": "maybe"}, "true or false"),
        ({"hf_overrides": "{"}, "a mapping"),
        ({"max_model_len": 5, "backend.max_model_len": 5}, "given twice"),
        ({"backend.model": "other"}, "model_path"),
        ({"max_lora_rank": 24}, "max_lora_rank is 24; vLLM takes 1, 8, 16"),
        ({"adapters": {"sql": 5}}, "must map names to folders"),
        ({"adapters": '{"sql": "/lora"}', "enable_lora": "false"}, "enable_lora is false"),
    ],
)
def test_what_does_not_fit_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequestError, match=said):
        VLLMEngine(EngineConfig("bundled", "custom/auto", given, 4))


@pytest.mark.parametrize(
    ("given", "gpus"),
    [
        ({"tensor_parallel_size": 4}, 2),
        ({"backend.tensor_parallel_size": 2}, 0.5),
        ({"pipeline_parallel_size": 3}, 4),
        ({"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, 2),
    ],
)
def test_ranks_are_as_many_as_gpus(given: dict[str, Any], gpus: float) -> None:
    with pytest.raises(InvalidRequestError, match=f"but gpus_per_worker is {gpus:g}, and each"):
        read_parameters(given, gpus)
    read_parameters(given)  # on processors ranks are processes
    read_parameters({"tensor_parallel_size": 2, "pipeline_parallel_size": 2}, 4)
    read_parameters({"pipeline_parallel_size": 2}, 4)


def test_every_parameter_is_described() -> None:
    described = {info.name: info for info in VLLMEngine.parameters()}
    assert len(described) > 200
    assert {info.name for info in OWN} <= set(described)
    assert all(info.help.endswith(".") for info in described.values())
    assert all(info.aliases == (f"backend.{name}",) for name, info in described.items())
    assert described["max_model_len"].unit == "tokens"


def test_the_table_is_that_of_the_installed_vllm() -> None:
    """After an update: tools/vllm_arguments.py."""
    pytest.importorskip("vllm", reason="vLLM is not installed here")
    program = (
        "import json, typing, vllm_arguments\nfrom vllm.config.lora import MaxLoRARanks\n"
        "table = vllm_arguments.describe_arguments()\n"
        "print(json.dumps([table, typing.get_args(MaxLoRARanks)]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT / "tools",
        capture_output=True,
        text=True,
        check=True,
    )
    table, ranks = json.loads(run.stdout.splitlines()[-1])
    assert table == json.loads(TABLE.read_text())
    assert tuple(ranks) == LORA_RANKS


def make_folder(folder: Path, **config: Any) -> str:
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    return str(folder)


def test_the_rank_fits_all_adapters(tmp_path: Path) -> None:
    small = make_folder(tmp_path / "small", r=4)
    large = make_folder(tmp_path / "large", r=8, rank_pattern={"q_proj": 20})
    offered = [1, 8, 16, 32, 64]
    assert fitting_rank(find_adapters({"a": small}), offered, None) == 8
    both = find_adapters({"a": small, "b": large})
    assert both["b"] == Adapter("b", 2, large, 20)
    assert fitting_rank(both, offered, None) == 32
    assert fitting_rank(both, offered, 64) == 64
    with pytest.raises(InvalidRequestError, match="'b' has rank 20, but max_lora_rank is 16"):
        fitting_rank(both, offered, 16)


def test_what_is_no_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="of the adapter 'a' does not exist"):
        find_adapters({"a": str(tmp_path / "nowhere")})
    with pytest.raises(InvalidRequestError, match="has no adapter_config.json"):
        find_adapters({"a": str(tmp_path)})
    with pytest.raises(InvalidRequestError, match="of the kind IA3"):
        find_adapters({"a": make_folder(tmp_path / "ia3", peft_type="IA3")})


def test_an_unknown_adapter_is_refused_with_those_there_are() -> None:
    there = {"sql": Adapter("sql", 1, "/lora", 8)}
    assert choose_adapter(None, there) is None
    assert choose_adapter("sql", there) == there["sql"]
    with pytest.raises(InvalidRequestError, match="no adapter 'sq'; this deployment has: sql"):
        choose_adapter("sq", there)
    with pytest.raises(InvalidRequestError, match="this deployment has none"):
        choose_adapter("sql", {})
