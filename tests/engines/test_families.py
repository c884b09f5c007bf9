"""The table of model families: what becomes of each type and of each folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.bundled import bundled_model
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.diffusers import DiffusersEngine
from byzer_lab.engines.families import detect, families, find_family, make_engine
from byzer_lab.engines.llama_cpp import LlamaCppEmbeddingEngine, LlamaCppEngine
from byzer_lab.engines.sentence_transformers import EmbeddingEngine, RerankEngine
from byzer_lab.engines.speech import ListeningEngine, SpeakingEngine
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import InvalidRequestError

SEED = [
    "custom/auto",
    "custom/llama2",
    "bark",
    "whisper",
    "chatglm6b",
    "custom/chatglm2",
    "moss",
    "custom/alpha_moss",
    "dolly",
    "falcon",
    "llama",
    "custom/starcode",
    "custom/visualglm",
    "custom/m3e",
    "custom/baichuan",
    "custom/baichuan2",
    "custom/bge",
    "custom/bge_rerank",
    "custom/qwen_vl_chat",
    "custom/stable_diffusion",
    "custom/zephyr",
]
REFUSED = {
    "chatglm6b": "transformers 4; deploy GLM-4",
    "moss": "transformers 4; deploy a current chat model",
    "custom/alpha_moss": "transformers 4; deploy a current chat model",
    "custom/visualglm": "GLM-4.1V and Qwen2-VL",
}
ENGINES: dict[str, type] = {
    "custom/m3e": EmbeddingEngine,
    "custom/bge": EmbeddingEngine,
    "custom/bge_rerank": RerankEngine,
    "custom/stable_diffusion": DiffusersEngine,
    "bark": SpeakingEngine,
    "whisper": ListeningEngine,
}


def make(
    kind: str, path: Path | str = "/nowhere", backend: str = "transformers", **params: Any
) -> Any:
    return make_engine(backend, EngineConfig(str(path), kind, params, 1))


def folder_of(folder: Path, **config: Any) -> Path:
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.mark.parametrize("kind", SEED)
def test_every_type_of_the_seed_has_its_way(kind: str) -> None:
    if kind in REFUSED:
        with pytest.raises(InvalidRequestError, match=REFUSED[kind]):
            make(kind)
        return
    assert type(make(kind)) is ENGINES.get(kind, TransformersEngine)
    if kind not in ENGINES:
        assert type(make(kind, backend="llama_cpp")) is LlamaCppEngine


def test_the_table_is_whole() -> None:
    names = [name for family in families() for name in (family.type, *family.aliases)]
    assert len(names) == len(set(names))
    assert set(SEED) <= set(names)
    kinds = [kind for family in families() for kind in family.kinds]
    assert len(kinds) == len(set(kinds))
    for family in families():
        assert family.title
        assert family.loader
        assert family.note or family.state == "native"


def test_the_librarys_names_are_right() -> None:
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    for family in families():
        for kind in family.kinds:
            assert (kind in CONFIG_MAPPING) == (
                family.state == "native" and not kind.startswith("RefinedWeb")
            ), kind
        if family.state in ("native", "mapped") and family.loader.endswith("LM"):
            assert hasattr(transformers, family.loader)


def test_the_prefix_may_be_left_out_or_added() -> None:
    assert find_family("baichuan").type == "custom/baichuan"
    assert find_family("custom/falcon").type == "falcon"


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("saas/qianwem", "no provider 'saas/qianwem'; did you mean saas/qianwen"),
        ("saas/nothing", "no provider 'saas/nothing'; there is: aws_bedrock, "),
        ("sft/llama2", "names a training job, not a model to deploy"),
        ("deepspeed/llama3b", "names a training job"),
        ("custom/lama2", "Did you mean custom/llama2"),
        ("falcom", "Did you mean falcon"),
        ("xyzzy", r"no pretrained_model_type 'xyzzy'. Leave it out \(custom/auto\)"),
    ],
)
@pytest.mark.parametrize("backend", ["transformers", "llama_cpp"])
def test_other_types_are_refused_with_what_is_near(kind: str, says: str, backend: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        make(kind, backend=backend)


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("llama", {"model_type": "mistral", "architectures": ["MistralForCausalLM"]}),
        ("custom/zephyr", {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}),
        ("falcon", {"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}),
        ("dolly", {"model_type": "falcon"}),
    ],
)
def test_a_type_that_contradicts_the_folder(
    kind: str, config: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        make(kind, folder_of(tmp_path, **config))
    assert repr(kind) in caught.value.message
    assert repr(config["model_type"]) in caught.value.message
    assert type(make("custom/auto", tmp_path)) is TransformersEngine


@pytest.mark.parametrize(
    ("kind", "model_type"),
    [
        ("llama", "llama"),
        ("custom/zephyr", "mistral"),
        ("dolly", "gptj"),
        ("custom/starcode", "starcoder2"),
        ("custom/qwen", "qwen3"),
        ("falcon", "RefinedWebModel"),
        ("custom/chatglm2", "glm"),
    ],
)
def test_a_type_that_fits_the_folder(kind: str, model_type: str, tmp_path: Path) -> None:
    assert type(make(kind, folder_of(tmp_path, model_type=model_type))) is TransformersEngine


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model_type": "chatglm", "position_encoding_2d": True}, "chatglm6b"),
        ({"model_type": "chatglm", "image_length": 32}, "custom/visualglm"),
        ({"model_type": "moss"}, "MOSS .moss. can't be served"),
        ({"model_type": "baichuan", "model_max_length": 4096}, "ALiBi attention.*llama_cpp"),
    ],
)
def test_a_folder_that_can_not_be_served(config: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        make("custom/auto", folder_of(tmp_path, **config))


def test_a_pipeline_of_diffusion(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text("{}")
    for kind in ("custom/auto", "custom/stable_diffusion"):
        assert type(make(kind, tmp_path)) is DiffusersEngine
        assert type(make(kind, tmp_path, backend="diffusers")) is DiffusersEngine
    with pytest.raises(InvalidRequestError, match="the vllm backend can't serve it so"):
        make("custom/stable_diffusion", tmp_path, backend="vllm")


@pytest.mark.parametrize(
    ("kind", "name"),
    [("chatglm", "ChatGLMForConditionalGeneration"), ("qwen", "QWenLMHeadModel")],
)
def test_code_that_comes_with_a_model_must_be_allowed(kind: str, name: str, tmp_path: Path) -> None:
    folder_of(tmp_path, model_type=kind, architectures=[name], auto_map={"AutoConfig": "a.B"})
    with pytest.raises(InvalidRequestError, match=rf"class {name}.*trust_remote_code=true"):
        make("custom/auto", tmp_path)
    for key in ("trust_remote_code", "backend.trust_remote_code"):
        assert type(make("custom/auto", tmp_path, **{key: "true"})) is TransformersEngine


def test_a_gguf_belongs_to_llama_cpp(tmp_path: Path) -> None:
    file = bundled_model() / "byzer-lab-demo.gguf"
    alone = tmp_path / "model.gguf"
    alone.write_bytes(b"GGUF")
    for path in (file, alone, tmp_path):
        with pytest.raises(InvalidRequestError, match="GGUF model, which the llama_cpp backend"):
            make("custom/auto", path)
    assert type(make("custom/auto", bundled_model())) is TransformersEngine
    assert type(make("custom/auto", file, "llama_cpp")) is LlamaCppEngine


def test_vectors_need_a_backend_for_them() -> None:
    with pytest.raises(InvalidRequestError, match="served by the transformers backend, or a GGUF"):
        make("custom/bge", backend="llama_cpp")
    found = make("custom/bge", backend="llama_cpp", embedding=True)
    assert type(found) is LlamaCppEmbeddingEngine
    for params in ({}, {"embedding": "true"}):
        with pytest.raises(InvalidRequestError, match="by the transformers backend; the llama_cpp"):
            make("custom/bge_rerank", backend="llama_cpp", **params)


def test_what_a_folder_says(tmp_path: Path, bge: Path, reranker: Path) -> None:
    assert detect(tmp_path) is None
    found = detect(bundled_model())
    assert found is not None
    assert (found.kind, found.architecture) == ("llama", "LlamaForCausalLM")
    assert found.title == "llama · LlamaForCausalLM"
    assert found.family is not None
    assert found.family.type == "custom/llama2"
    for folder, engine in ((bge, EmbeddingEngine), (reranker, RerankEngine)):
        found = detect(folder)
        assert found is not None
        assert found.engine is not None
        assert found.engine.endswith(f":{engine.__name__}")
    (tmp_path / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": str(bundled_model())})
    )
    found = detect(tmp_path)
    assert found is not None
    assert (found.adapter, found.kind) == (True, "llama")
    assert type(make("llama", tmp_path)) is TransformersEngine
    with pytest.raises(InvalidRequestError, match="'falcon', but the model in"):
        make("falcon", tmp_path)


def test_an_engine_of_ones_own_takes_any_type() -> None:
    own = f"{__name__}:OwnEngine"
    assert type(make("anything/else", backend=own)).__name__ == "OwnEngine"


class OwnEngine:
    def __init__(self, config: EngineConfig) -> None:
        self.config = config


def test_the_table_is_light() -> None:
    program = (
        "from byzer_lab.engines.families import families, detect, find_family\n"
        "import sys; families(); find_family('llama')\n"
        "assert not {'torch', 'transformers', 'llama_cpp', 'ray', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
