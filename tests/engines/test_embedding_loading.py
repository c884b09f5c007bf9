"""Which engine a model gets, how it loads, and what is refused in which words."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from byzer_lab.engines.base import EngineConfig, LoadProgress
from byzer_lab.engines.families import make_engine
from byzer_lab.engines.sentence_transformers import EmbeddingEngine, RerankEngine
from byzer_lab.engines.transformers import TransformersEngine
from byzer_lab.errors import ByzerLabError, EngineError, InvalidRequestError
from tests.support.encoders import change_config, embed, load_encoder, make_reranker, vectors


def test_the_engine_follows_from_the_folder(bge: Path, reranker: Path, bert: Path) -> None:
    def kind(folder: Path, model_type: str = "custom/auto") -> type:
        return type(make_engine("transformers", EngineConfig(str(folder), model_type, {}, 1)))

    assert kind(bge) is EmbeddingEngine
    assert kind(reranker) is RerankEngine
    assert kind(bert) is TransformersEngine
    assert kind(bert, "custom/m3e") is EmbeddingEngine
    assert kind(bert / "nothing") is TransformersEngine
    assert kind(reranker, "custom/bge_rerank") is RerankEngine


def test_a_sentence_transformers_folder_pools_as_it_says(bge: Path) -> None:
    from sentence_transformers import SentenceTransformer

    progress: list[LoadProgress] = []
    engine = load_encoder(bge, "custom/auto", progress)
    expected = SentenceTransformer(str(bge), device="cpu").encode(["a panda"])
    found = vectors(asyncio.run(embed(engine, ["a panda"])))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert {"importing", "loading weights", "warming up"} <= {step.phase for step in progress}


def test_a_table_of_vectors_is_served_too(bert: Path, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    table = StaticEmbedding(Tokenizer.from_file(str(bert / "tokenizer.json")), embedding_dim=32)
    library = SentenceTransformer(modules=[table], device="cpu")
    library.save_pretrained(str(tmp_path))
    engine = load_encoder(tmp_path, "custom/auto")
    answer = asyncio.run(embed(engine, ["a panda", "the quick brown fox"]))
    expected = library.encode(["a panda", "the quick brown fox"])
    np.testing.assert_allclose(vectors(answer), expected, atol=1e-5)
    assert engine.meta()["dimensions"] == 32


def test_folders_that_can_not_be_served(tmp_path: Path, bert: Path, reranker: Path) -> None:
    def refused(folder: Path, kind: str, **params: Any) -> str:
        with pytest.raises(ByzerLabError) as caught:
            load_encoder(folder, kind, **params)
        assert "\n" not in caught.value.message
        return caught.value.message

    assert "nowhere" in refused(tmp_path / "nowhere", "custom/bge")
    assert "no modules.json and no config.json" in refused(tmp_path, "custom/bge")
    assert "BertModel" in refused(bert, "custom/bge_rerank")
    assert "custom/bge_rerank" in refused(reranker, "custom/bge")
    assert "deploy it as custom/bge" in refused(bert, "custom/auto")
    assert "limit is 64" in refused(bert, "custom/bge", max_model_len=100)
    assert "gives 3 scores" in refused(make_reranker(tmp_path / "three", 3), "custom/bge_rerank")
    both = {"use_fp16": True, "dtype": "bfloat16"}
    assert "use_fp16 is true, but dtype is bfloat16" in refused(
        reranker, "custom/bge_rerank", **both
    )
    broken = tmp_path / "broken"
    shutil.copytree(bert, broken)
    change_config(broken, model_type="no_such_type")
    assert "no_such_type" in refused(broken, "custom/bge")
    shutil.copytree(bert, tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    assert "bare" in refused(tmp_path / "bare", "custom/bge")


def test_a_parameter_that_is_none_is_refused_before_loading(bert: Path) -> None:
    config = EngineConfig(str(bert), "custom/bge", {"batchsize": 3}, 1)
    with pytest.raises(InvalidRequestError, match="batch_size"):
        make_engine("transformers", config)


@pytest.mark.parametrize(
    ("kind", "lost"), [("custom/bge", "embeddings.word"), ("custom/bge_rerank", "classifier")]
)
def test_incomplete_weights_are_refused(
    kind: str, lost: str, bert: Path, reranker: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(bert if kind == "custom/bge" else reranker, folder)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith(lost)}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EngineError, match=f"incomplete: {lost}"):
        load_encoder(folder, kind)


def test_a_bert_without_its_pooler_is_complete(bert: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "model"
    shutil.copytree(bert, folder)
    weights = load_file(folder / "model.safetensors")
    kept = {name: value for name, value in weights.items() if not name.startswith("pooler.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert asyncio.run(embed(load_encoder(folder), ["a panda"])).vectors
