"""Loading: what is refused, how fast, and in which words."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.engines.base import LoadProgress
from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError
from tests.engines.conftest import answer, ask, load_engine


def refused(model: Path | str, infer_params: dict[str, Any] | None = None) -> ByzerLabError:
    with pytest.raises(ByzerLabError) as caught:
        load_engine(model, infer_params)
    assert "\n" not in caught.value.message
    return caught.value


@pytest.fixture
def copy_of(model_folder: Callable[[str], Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of the tiny Llama that a test may break."""

    def copy(**config: Any) -> Path:
        folder = tmp_path / "model"
        shutil.copytree(model_folder("llama"), folder)
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
        return folder

    return copy


def test_importing_the_package_and_refusing_a_path_load_nothing_heavy() -> None:
    code = """
import sys, time
start = time.monotonic()
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines import find_engine
from byzer_lab.errors import InvalidRequestError
engine = find_engine("transformers")(EngineConfig("/no/such/model", "custom/auto", {}, 1))
try:
    engine.load(print)
except InvalidRequestError as error:
    assert "/no/such/model" in error.message and "org/name" in error.message, error.message
else:
    raise SystemExit("not refused")
assert not {"torch", "transformers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_paths_that_hold_no_model(tmp_path: Path) -> None:
    error = refused(tmp_path / "nothing")
    assert str(tmp_path / "nothing") in error.message
    assert "org/name" in error.message
    error = refused("nosuchmodel")
    assert "nosuchmodel" in error.message
    (tmp_path / "notes.txt").write_text("no model")
    error = refused(tmp_path)
    assert "no config.json" in error.message
    assert "notes.txt" in error.message
    assert "needs the model's folder" in refused(tmp_path / "notes.txt").message
    (tmp_path / "config.json").write_text("{")
    error = refused(tmp_path)
    assert isinstance(error, InvalidRequestError)
    assert "no valid JSON" in error.message


def test_a_model_type_that_the_library_does_not_know(copy_of: Callable[..., Path]) -> None:
    error = refused(copy_of(model_type="nosuchtype"))
    assert isinstance(error, InvalidRequestError)
    assert "nosuchtype" in error.message


def test_a_model_that_writes_no_text(copy_of: Callable[..., Path]) -> None:
    folder = copy_of(model_type="bert", architectures=["BertForSequenceClassification"])
    error = refused(folder)
    assert isinstance(error, InvalidRequestError)
    assert "no model that writes text" in error.message
    assert "BertForSequenceClassification" in error.message


def test_broken_weights(copy_of: Callable[..., Path]) -> None:
    folder = copy_of()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    error = refused(folder)
    assert isinstance(error, EngineError)
    assert "weights" in error.message
    assert str(folder) in error.message
    weights.unlink()
    assert "weights" in refused(folder).message


def test_weights_of_another_size_or_missing(copy_of: Callable[..., Path]) -> None:
    folder = copy_of(num_hidden_layers=3)
    error = refused(folder)
    assert isinstance(error, EngineError)
    assert "incomplete" in error.message
    assert "layers.2" in error.message
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps({**config, "num_hidden_layers": 2, "hidden_size": 32})
    )
    assert isinstance(refused(folder), EngineError)


def test_a_folder_without_a_tokenizer(copy_of: Callable[..., Path]) -> None:
    folder = copy_of()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    error = refused(folder)
    assert isinstance(error, EngineError)
    assert "tokenizer" in error.message


def test_remote_code_is_not_run_unless_asked(copy_of: Callable[..., Path]) -> None:
    folder = copy_of(
        model_type="mine", auto_map={"AutoConfig": "mine.Config", "AutoModelForCausalLM": "mine.M"}
    )
    (folder / "mine.py").write_text("raise SystemExit('remote code ran')\n")
    error = refused(folder)
    assert isinstance(error, InvalidRequestError)
    assert "trust_remote_code" in error.message


def test_infer_params_are_checked(model_folder: Callable[[str], Path]) -> None:
    folder = model_folder("llama")
    assert "did you mean num_blocks?" in refused(folder, {"num_block": 3}).message
    assert "dtype is 'int8'" in refused(folder, {"dtype": "int8"}).message
    assert "page_size is 2" in refused(folder, {"page_size": 2}).message
    assert "num_threads is 'many'" in refused(folder, {"num_threads": "many"}).message
    assert "trust_remote_code is 1" in refused(folder, {"trust_remote_code": 1}).message
    error = refused(folder, {"max_model_len": 100_000})
    assert "max_model_len is 100000" in error.message
    assert "256" in error.message


def test_a_cache_that_memory_cannot_hold(model_folder: Callable[[str], Path]) -> None:
    error = refused(model_folder("llama"), {"num_blocks": 10**9})
    assert isinstance(error, EngineError)
    assert "key-value cache" in error.message
    assert "num_blocks" in error.message


def test_a_hub_id_without_a_network_fails_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        error = refused("byzer-lab-tests/nosuchmodel")
    assert isinstance(error, EngineError)
    assert "can't be reached" in error.message
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE" in refused("byzer-lab-tests/nosuchmodel").message


@pytest.mark.parametrize(("status", "words"), [(404, "has no model"), (401, "HF_TOKEN")])
def test_a_hub_id_that_the_hub_refuses(
    status: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as hub:
        threading.Thread(target=hub.serve_forever).start()
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_port}")
        error = refused("byzer-lab-tests/nosuchmodel")
        hub.shutdown()
    assert isinstance(error, InvalidRequestError)
    assert words in error.message


def test_progress_is_told_in_phases(model_folder: Callable[[str], Path]) -> None:
    progress: list[LoadProgress] = []
    engine = load_engine(model_folder("llama"), concurrency=2, progress=progress)
    asyncio.run(engine.close())
    phases = list(dict.fromkeys(one.phase for one in progress))
    assert phases == ["importing", "reading the folder", "loading weights", "warming up"]
    fractions = [one.fraction for one in progress if one.phase == "loading weights"]
    assert fractions == sorted(fractions)  # type: ignore[type-var]
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)


def test_half_precision_is_kept_only_where_it_is_fast(
    copy_of: Callable[..., Path], tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder = copy_of()
    model = AutoModelForCausalLM.from_pretrained(folder).to(torch.bfloat16)
    model.save_pretrained(folder)
    for infer_params, dtype in (({}, "float32"), ({"dtype": "bfloat16"}, "bfloat16")):
        engine = load_engine(folder, infer_params, concurrency=2)
        assert engine.meta()["dtype"] == dtype
        asyncio.run(answer(engine, ask("hello", max_tokens=5)))
        asyncio.run(engine.close())


def test_meta_tells_what_was_loaded(model_folder: Callable[[str], Path]) -> None:
    engine = load_engine(model_folder("llama"), {"num_threads": "1", "max_model_len": 128})
    meta = engine.meta()
    asyncio.run(engine.close())
    assert meta.pop("parameters") > 100_000
    assert meta == {
        "model_deploy_type": "proprietary",
        "backend": "transformers",
        "support_images": False,
        "box_scale": None,
        "structured_output": "constrained",
        "support_tools": False,
        "max_model_len": 128,
        "architectures": ["LlamaForCausalLM"],
        "support_stream": True,
        "support_chat_template": True,
        "context_length": 128,
        "dtype": "float32",
        "quantization": None,
        "device": "cpu",
        "batching": "continuous",
        "adapters": [],
        "num_threads": 1,
    }
