"""What the llama.cpp backend accepts and refuses, before and while a model is loaded."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig, LoadProgress
from byzer_lab.engines.llama_cpp import LlamaCppEngine
from byzer_lab.engines.llama_cpp.files import find_gguf
from byzer_lab.engines.llama_cpp.parameters import REFUSED, read_infer_params
from byzer_lab.errors import EngineError, InvalidRequestError
from byzer_lab.types import Message
from tests.engines.test_llama_cpp import chat, load, text_of

pytest.importorskip("llama_cpp")

GGUF = bundled_model() / "byzer-lab-demo.gguf"


def test_a_path_is_a_file_or_a_folder_that_holds_one(tmp_path: Path) -> None:
    assert find_gguf(str(GGUF)) == GGUF
    assert find_gguf(str(bundled_model())) == GGUF
    with pytest.raises(InvalidRequestError, match="no file or folder"):
        find_gguf(str(tmp_path / "nowhere"))
    with pytest.raises(InvalidRequestError, match="has no .gguf file.*it is empty"):
        find_gguf(str(tmp_path))
    (tmp_path / "mmproj-model.gguf").write_bytes(b"")
    for number in (1, 2):
        shutil.copy(GGUF, tmp_path / f"large-0000{number}-of-00002.gguf")
    assert find_gguf(str(tmp_path)).name == "large-00001-of-00002.gguf"
    shutil.copy(GGUF, tmp_path / "second.gguf")
    with pytest.raises(InvalidRequestError, match=r"holds 2 .gguf files.*second\.gguf"):
        find_gguf(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not a model at all", "is no GGUF file"),
        (b"GGUF\x03", "cut off after its first bytes"),
        (b"GGUF\x09\x00\x00\x00", "of version 9; the library reads 2 to 3"),
    ],
)
def test_a_file_that_is_no_gguf_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(content)
    with pytest.raises(InvalidRequestError, match=says):
        load(file)


@pytest.mark.parametrize("share", [0.001, 0.5, 0.99])
def test_a_truncated_file_is_named_in_one_sentence(
    tmp_path: Path, share: float, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = GGUF.read_bytes()
    file = tmp_path / "model.gguf"
    file.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(EngineError) as caught:
        load(file)
    assert str(file) in caught.value.message
    assert "can't be loaded: " in caught.value.message
    assert "no reason given" not in caught.value.message
    assert "\n" not in caught.value.message
    assert capfd.readouterr().err == ""  # not verbose


def test_parameters_are_the_seeds() -> None:
    read = read_infer_params(
        {
            "verbose": "true",
            "num_gpu_layers": "-1",
            "n_ctx": "512",
            "type_k": 8,
            "type_v": "f16",
            "tensor_split": "3,1",
            "logits_all": "true",  # deprecated: left out
            "embedding": "false",  # asks for nothing
        }
    )
    assert (read.verbose, read.n_gpu_layers, read.n_ctx) == (True, -1, 512)
    assert (read.type_k, read.type_v, read.tensor_shares) == ("q8_0", "f16", [3.0, 1.0])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"n_treads": 2}, "no parameter 'n_treads'; did you mean n_threads"),
        ({"n_ctx": "many"}, "n_ctx is 'many'; it must be a whole number of at least 0"),
        ({"n_gpu_layers": 1, "num_gpu_layers": 1}, "given twice"),
        ({"type_k": "q9"}, "type_k is 'q9'; it must be one of f32, f16"),
        ({"lora_scale": 0.5}, "set lora_path as well"),
        ({"tensor_split": "half,half"}, "tensor_split is 'half,half'"),
        *(({name: "true"}, f"can't honour '{name}': ") for name in REFUSED),
    ],
)
def test_parameters_that_do_not_fit_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        LlamaCppEngine(EngineConfig("anywhere", "custom/auto", given, 1))


def test_a_window_beyond_the_models_own_needs_scaling() -> None:
    with pytest.raises(InvalidRequestError, match=r"n_ctx is 4096.*window is 2048.*rope_freq"):
        load(bundled_model(), {"n_ctx": 4096})
    stretched = load(bundled_model(), {"n_ctx": 4096, "rope_freq_scale": 0.5}, concurrency=1)
    assert stretched.meta()["context_length"] == 4096
    asyncio.run(stretched.close())


def test_a_cache_too_large_for_memory_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"takes [\d.]+ GB.*GB are free"):
        load(bundled_model(), {"kv_cache_tokens": 10**10})
    with pytest.raises(InvalidRequestError, match=r"Set n_ctx to at most \d+"):
        load(bundled_model(), {"n_ctx": 10**9, "rope_freq_scale": 0.001})


async def test_settings_are_honoured(capfd: pytest.CaptureFixture[str]) -> None:
    progress: list[LoadProgress] = []
    engine = load(
        bundled_model(),
        {
            "n_ctx": 300,
            "n_batch": 64,
            "n_ubatch": 32,
            "type_k": "q8_0",
            "type_v": "q8_0",
            "use_mmap": "false",
            "seed": 7,
        },
        concurrency=2,
        progress=progress,
    )
    try:
        assert engine.meta()["context_length"] == 300
        assert engine.meta()["kv_cache_tokens"] == 600
        assert {one.phase for one in progress} >= {"importing", "loading weights", "warming up"}
        loose = {"max_tokens": 30, "temperature": 2.0, "ignore_eos": True}
        first = await text_of(engine, chat("Hello", **loose))
        assert await text_of(engine, chat("Hello", **loose)) == first
        assert await text_of(engine, chat("Hello", **loose, seed=8)) != first
        assert (await text_of(engine, chat("Hello"))).startswith("Hello!")
    finally:
        await engine.close()
    assert capfd.readouterr().err == ""


def test_a_missing_adapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=r"There is no file '.*nowhere.gguf'; lora_path"):
        load(bundled_model(), {"lora_path": str(tmp_path / "nowhere.gguf")})
    other = str(find_gguf(str(bundled_model())))
    with pytest.raises(EngineError, match=r"adapter .* can't be applied: "):
        load(bundled_model(), {"lora_path": other})


def test_templates_are_rendered_as_transformers_renders_them() -> None:
    from transformers.utils.chat_template_utils import render_jinja_template

    from byzer_lab.engines.llama_cpp.prompt import ChatTemplate

    source = (
        "{{ bos_token }}{% for message in messages %}\n"
        "    {% if message.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}\n"
        "    {% generation %}{{ message | tojson }}{% endgeneration %}\n"
        "    {% if loop.index > 4 %}{% break %}{% endif %}\n"
        "{% endfor %}{% if add_generation_prompt %}>{{ tools is none }}{% endif %}{{ eos_token }}"
    )
    turns = [{"role": "user", "content": f"<你好 & {number}>"} for number in range(7)]
    wanted, _ = render_jinja_template(
        conversations=[turns],
        chat_template=source,
        add_generation_prompt=True,
        bos_token="<s>",
        eos_token="</s>",
    )
    template = ChatTemplate(source, "<s>", "</s>")
    assert template.render([Message(**turn) for turn in turns]) == wanted[0]  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="no tools here"):
        template.render([Message(role="tool", content="x")])
    escape = ChatTemplate("{{ messages.__class__.__mro__ }}", "", "")
    with pytest.raises(InvalidRequestError, match="unsafe"):
        escape.render([Message(role="user", content="x")])
    with pytest.raises(InvalidRequestError, match="chat template is broken"):
        ChatTemplate("{% for %}", "", "")
