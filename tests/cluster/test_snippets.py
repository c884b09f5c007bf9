"""Byzer-LLM's own deploy snippets, with other import lines and model paths, on Ray's own cluster.

The cluster has GPUs that are only numbers: they are reserved, and the engines find no device and
use the processor.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from byzer_lab import bundled_model
from tests.cluster.test_nodes import ON_LOOPBACK, TwoNodes
from tests.conftest import REPOSITORY
from tests.support.encoders import make_bert, make_reranker

pytestmark = pytest.mark.timeout(620)
Run = Callable[[str], list[str]]
IMPORTS = "from byzer_lab import ByzerLLM,LLMRequest,InferBackend,Templates\n"
RAY = """
import ray
ray.init(address="auto",namespace="default",ignore_reinit_error=True)
"""
TRANSFORMERS = """
llm = ByzerLLM()

llm.setup_gpus_per_worker(2).setup_num_workers(1)
llm.setup_infer_backend(InferBackend.transformers)

llm.deploy(model_path="MODEL",
           pretrained_model_type="custom/llama2",
           udf_name="llama2_chat",infer_params={})

llm_client = ByzerLLM()
llm_client.setup_template("llama2_chat","auto")

v = llm.chat_oai(model="llama2_chat",conversations=[{
    "role":"user",
    "content":"hello",
}])

print(v[0].output)
llm.undeploy(udf_name="llama2_chat")
"""
EMBEDDING = """
llm = ByzerLLM()

llm.setup_gpus_per_worker(0.4).setup_num_workers(2).setup_infer_backend(InferBackend.Transformers)
llm.deploy(
    model_path="BGE",
    pretrained_model_type="custom/bge",
    udf_name="emb",
    infer_params={}
)
t = llm.emb("emb",LLMRequest(instruction="wow"))
print(len(t[0].output), type(t[0].output[0]))
llm.undeploy("emb")
llm.deploy(
    model_path="RERANKER",
    pretrained_model_type="custom/bge_rerank",
    udf_name="emb_rerank",
    infer_params={}
)
llm.setup_default_emb_model_name("emb_rerank")
sentence_pairs_01 = ['query', 'passage']
t1 = llm.emb_rerank(sentence_pairs=sentence_pairs_01)
print(t1[0].output[0])
sentence_pairs_02 = [['what is panda?', 'hi'], ['what is panda?','The giant panda.']]
t2 = llm.emb_rerank(sentence_pairs=sentence_pairs_02)
print(t2[0].output[0][1] >= t2[0].output[1][1])
llm.undeploy("emb_rerank")
"""
VLLM = """
llm = ByzerLLM(verbose=True)
chat_model_name = "chat"
if llm.is_model_exist(chat_model_name):
    llm.undeploy(udf_name=chat_model_name)

llm.setup_gpus_per_worker(1).setup_num_workers(1).setup_infer_backend(InferBackend.VLLM)
llm.setup_worker_concurrency(999)
llm.setup_load_balance_way("round_robin")
llm.deploy(
    model_path="MODEL",
    pretrained_model_type="custom/auto",
    udf_name=chat_model_name,
    infer_params={"backend.gpu_memory_utilization":0.8,
                    "backend.enforce_eager":True,
                    "backend.trust_remote_code":True,
                    "backend.max_model_len":1024,
                    }
)
llm.setup_default_model_name("chat")
meta = llm.get_meta()
llm.setup_max_model_length("chat",meta.get("max_model_len",32000))
llm.setup_template("chat",Templates.qwen())
llm.setup_extra_generation_params("chat",{
    "generation.stop_token_ids":[7]
})
t = llm.stream_chat_oai(conversations=[{
    "role":"user",
    "content":"Hello, how are you?"
}], llm_config={"gen.ignore_eos":False})

for line in t:
   last = line+"\\n"
print(last)
llm.undeploy("chat")
"""
DEEPSPEED = """
llm = ByzerLLM()

llm.setup_gpus_per_worker(2)
llm.setup_num_workers(1)
llm.setup_infer_backend(InferBackend.DeepSpeed)

llm.deploy(
    model_path="MODEL",
    pretrained_model_type="custom/auto",
    udf_name="llama_chat",
    infer_params={}
)

print(llm.chat("llama_chat",LLMRequest(instruction="What is the capital of France?"))[0].output)
print(llm.get_meta("llama_chat")["world_size"])
llm.undeploy("llama_chat")
"""
LLAMA_CPP = """
llm = ByzerLLM()
llm.setup_infer_backend(InferBackend.LLAMA_CPP).setup_worker_concurrency(10)
llm.setup_cpus_per_worker(0.001).setup_gpus_per_worker(0).setup_num_workers(1)
llm.deploy(
    model_path="GGUF",
    pretrained_model_type="custom/auto",
    udf_name="llama_3_chat",
    infer_params={"verbose":"true", "num_gpu_layers":"0"}
)
print(llm.chat_oai("What is the capital of France?", model="llama_3_chat")[0].output)
llm.undeploy("llama_3_chat")
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, lab_home: Path) -> Iterator[Run]:
    """Runs a snippet in a Python of its own; returns the lines that it prints."""
    tmp_path = tmp_path_factory.mktemp("models")
    home = Path(tempfile.mkdtemp(prefix="byzer-own-"))
    ray = TwoNodes()

    def run_snippet(snippet: str) -> list[str]:
        program = IMPORTS + RAY + snippet
        model = str(bundled_model())
        program = program.replace("MODEL", model).replace("GGUF", f"{model}/byzer-lab-demo.gguf")
        if "BGE" in program:
            program = program.replace("BGE", str(make_bert(tmp_path / "bge", modules=True)))
            program = program.replace("RERANKER", str(make_reranker(tmp_path / "reranker")))
        answer = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={
                **os.environ,
                **ON_LOOPBACK,
                "RAY_ADDRESS": ray.address,
                "BYZER_LAB_HOME": str(home),
            },
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            timeout=560,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr[-3000:]
        return answer.stdout.strip().splitlines()

    yield run_snippet
    ray.end()
    shutil.rmtree(home)


def test_transformers(run: Run) -> None:
    assert run(TRANSFORMERS)[-1].startswith("Hello")


def test_embedding_and_rerank(run: Run) -> None:
    vector, pair, ordered = run(EMBEDDING)
    assert vector.endswith("<class 'float'>")
    assert (pair, ordered) == ("['query', 'passage']", "True")


def test_llama_cpp(run: Run) -> None:
    assert run(LLAMA_CPP)[-1] == "The capital of France is Paris."


def test_vllm(run: Run) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    lines = run(VLLM)
    assert any(line.startswith("chat: ") for line in lines)  # which phases are seen depends
    assert lines[-1]


def test_deepspeed(run: Run) -> None:
    pytest.importorskip("deepspeed", reason="DeepSpeed is not installed")
    assert run(DEEPSPEED) == ["The capital of France is Paris.", "2"]
