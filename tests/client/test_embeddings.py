"""Embedding and reranking through a real cluster: the original's snippets and what is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from byzer_lab import ByzerLLM, InferBackend, LLMRequest
from byzer_lab.client.session import session
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import InvalidRequestError
from tests.conftest import COUNTING
from tests.support.encoders import CONTEXT, make_bert, make_reranker

PANDA = "The giant panda (Ailuropoda melanoleuca) is a bear species endemic to China."


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {
        "bge-large-zh": make_bert(tmp_path_factory.mktemp("bge"), modules=True),
        "bge-reranker-base": make_reranker(tmp_path_factory.mktemp("reranker")),
    }


@pytest.fixture(scope="module")
def emb(cluster: Runtime, folders: dict[str, Path]) -> Iterator[ByzerLLM]:
    """The original's deployments, at the same time: but for the share of a GPU."""

    def embedding() -> ByzerLLM:
        llm = ByzerLLM()
        llm.setup_gpus_per_worker(0).setup_num_workers(2).setup_infer_backend(
            InferBackend.Transformers
        )
        llm.deploy(
            model_path=str(folders["bge-large-zh"]),
            pretrained_model_type="custom/bge",
            udf_name="emb",
            infer_params={},
        )
        return llm

    def rerank() -> None:
        llm = ByzerLLM()
        llm.setup_gpus_per_worker(0).setup_num_workers(1).setup_infer_backend(
            InferBackend.Transformers
        )
        llm.deploy(
            model_path=str(folders["bge-reranker-base"]),
            pretrained_model_type="custom/bge_rerank",
            udf_name="emb_rerank",
            infer_params={},
        )

    def chat() -> None:
        ByzerLLM().setup_infer_backend(COUNTING).deploy(udf_name="counting")

    with ThreadPoolExecutor() as pool:
        first, *others = [pool.submit(deploy) for deploy in (embedding, rerank, chat)]
        for other in others:
            other.result()
    llm = first.result()
    assert isinstance(llm, ByzerLLM)
    yield llm
    for name in ("emb", "emb_rerank", "counting"):
        llm.undeploy(name, force=True)


@pytest.fixture
def library(folders: dict[str, Path]) -> Any:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(folders["bge-large-zh"]), device="cpu")


def test_the_originals_embedding_snippet(emb: ByzerLLM, library: Any) -> None:
    llm = emb
    t = llm.emb("emb", LLMRequest(instruction="wow"))
    assert isinstance(t[0].output, list)
    np.testing.assert_allclose(t[0].output, library.encode("wow"), atol=1e-5)
    llm.setup_default_emb_model_name("emb")
    v = llm.emb(None, LLMRequest(instruction="wow"))
    assert v.output == t[0].output
    assert llm.emb_query("wow").output == t[0].output
    meta = llm.get_meta("emb")
    assert meta["embedding_mode"]
    assert (meta["dimensions"], meta["max_model_len"]) == (64, CONTEXT)
    assert meta["backend"] == "transformers"


def test_a_list_gives_a_response_for_each_text_with_metadata(emb: ByzerLLM, library: Any) -> None:
    texts = [f"panda {number} " * (number % 9 + 1) for number in range(600)]
    responses = emb.emb("emb", LLMRequest(instruction=texts))
    assert [response.input["instruction"] for response in responses] == texts
    found = [response.output for response in responses]
    np.testing.assert_allclose(found, library.encode(texts), atol=1e-5)
    metadata = responses[0].metadata
    assert metadata["model"] == "emb"
    assert metadata["input_tokens_count"] >= 4
    assert metadata["generated_tokens_count"] == 0
    assert 0 <= metadata["queue_time"] <= metadata["time_cost"] < 60_000
    assert not metadata["truncated"]
    assert emb.emb("emb", "panda " * 500)[0].metadata["truncated"]


def test_64_callers_at_a_time_each_get_their_own(emb: ByzerLLM, library: Any) -> None:
    texts = [f"{number} " + "fox " * (number % 20) for number in range(64)]
    with ThreadPoolExecutor(64) as pool:
        found = list(pool.map(lambda text: emb.emb("emb", text).output, texts))
    np.testing.assert_allclose(found, library.encode(texts), atol=1e-5)


def test_extract_params(emb: ByzerLLM) -> None:
    params = {"gen.normalize_embeddings": "true", "generation.max_length": "4", "batch_size": 2}
    cut = emb.emb("emb", ["the quick brown fox"], extract_params=params)
    assert cut[0].metadata["input_tokens_count"] == 4
    assert np.linalg.norm(cut.output) == pytest.approx(1, abs=1e-5)
    with pytest.raises(InvalidRequestError, match="did you mean 'batch_size'"):
        emb.emb("emb", "a", extract_params={"gen.batchsize": 2})
    with pytest.raises(InvalidRequestError, match="max_length"):
        emb.emb("emb", "a", extract_params={"max_length": "long"})


def test_the_originals_rerank_snippet(emb: ByzerLLM, folders: dict[str, Path]) -> None:
    llm = ByzerLLM()
    llm.setup_default_emb_model_name("emb_rerank")
    sentence_pairs_01 = ["query", "passage"]
    t1 = llm.emb_rerank(sentence_pairs=sentence_pairs_01)
    pair, score = t1[0].output
    assert pair == ["query", "passage"]
    assert isinstance(score, float)
    sentence_pairs_02 = [["what is panda?", "hi"], ["what is panda?", PANDA], ["what", "fox"]]
    t2 = llm.emb_rerank(sentence_pairs=sentence_pairs_02)
    from sentence_transformers import CrossEncoder
    from torch.nn import Identity

    model = CrossEncoder(str(folders["bge-reranker-base"]), device="cpu")
    scores = model.predict(sentence_pairs_02, activation_fn=Identity()).tolist()
    order = sorted(range(3), key=lambda place: -scores[place])
    assert [pair for pair, _ in t2[0].output] == [sentence_pairs_02[place] for place in order]
    assert [score for _, score in t2[0].output] == pytest.approx(sorted(scores)[::-1], abs=1e-4)
    assert t2[0].metadata["input_tokens_count"] > 10
    assert t2[0].metadata["truncated"] == 0
    llm.setup_default_re_rank_model_name("emb_rerank").setup_default_emb_model_name("emb")
    assert llm.emb_rerank(sentence_pairs=sentence_pairs_01)[0].output == t1[0].output


def test_what_is_missing_is_named(emb: ByzerLLM) -> None:
    llm = ByzerLLM()
    with pytest.raises(InvalidRequestError, match="setup_default_emb_model_name"):
        llm.emb(None, "a")
    with pytest.raises(InvalidRequestError, match="setup_default_re_rank_model_name"):
        llm.emb_rerank(sentence_pairs=["a", "b"])
    with pytest.raises(InvalidRequestError, match="sentence_pairs is empty"):
        llm.emb_rerank("emb_rerank")
    with pytest.raises(InvalidRequestError, match="pairs"):
        llm.emb_rerank("emb_rerank", [["a", "b", "c"]])
    with pytest.raises(InvalidRequestError, match="the list is empty"):
        llm.emb("emb", [])
    with pytest.raises(InvalidRequestError, match="Text 2 of 2 is empty"):
        llm.emb("emb", ["a", ""])


def test_a_model_of_another_kind_says_what_it_can_do(emb: ByzerLLM) -> None:
    with pytest.raises(InvalidRequestError, match=r"'emb' can't write text.*turn texts into vec"):
        emb.chat_oai("hi", model="emb")
    with pytest.raises(InvalidRequestError, match=r"'counting' can't turn texts.*write text"):
        emb.emb("counting", "a")
    with pytest.raises(InvalidRequestError, match=r"'emb' can't score pairs.*vectors"):
        emb.emb_rerank("emb", ["a", "b"])


def test_the_workers_count_what_they_read(emb: ByzerLLM, cluster: Runtime) -> None:
    emb.emb("emb", "a")
    token = {"Authorization": f"Bearer {cluster.token}"}
    route = session().gateway.route("emb")
    assert len(route.endpoints) == 2
    loads = [httpx.get(f"{worker.url}/load", headers=token).json() for worker in route.endpoints]
    assert sum(load["requests"] for load in loads) > 0
    assert all(load["in_flight"] == load["queued"] == 0 for load in loads)


def test_who_leaves_frees_the_worker(emb: ByzerLLM, cluster: Runtime) -> None:
    """Far more texts than the time allows; closing the connection takes them out."""
    token = {"Authorization": f"Bearer {cluster.token}"}
    url = session().gateway.route("emb").endpoints[0].url
    before = httpx.get(f"{url}/load", headers=token).json()["requests"]
    body = {"request_id": "left", "texts": ["what is panda? " * 12] * 40_000}
    started = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"{url}/embed", headers=token, json=body, timeout=2)
    while httpx.get(f"{url}/load", headers=token, timeout=10).json()["in_flight"]:
        time.sleep(0.05)
    assert time.monotonic() - started < 8
    assert httpx.get(f"{url}/load", headers=token).json()["requests"] == before + 1
