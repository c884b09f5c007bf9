"""Settings of calls and of deployments, on a real cluster and the bundled model."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from byzer_lab import ByzerLLM, LLMRequest, Templates
from byzer_lab.client.session import session
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ContextLengthError, InvalidRequestError, NotReadyError
from byzer_lab.records import WorkerRecord
from tests.conftest import COUNTING

QUESTION = "What is the capital of France?"
CHATML = [{"role": "system", "content": "S"}, {"role": "user", "content": QUESTION}]


@pytest.fixture(scope="module")
def bundled(cluster: Runtime) -> Iterator[None]:
    """The bundled model as ``chat``."""
    ByzerLLM().deploy(model_path="bundled", udf_name="chat")
    yield
    ByzerLLM().undeploy("chat", force=True)


@pytest.fixture
def chat(bundled: None) -> ByzerLLM:
    """A client without settings of its own."""
    return ByzerLLM().setup_default_model_name("chat")


def test_tokens_of_a_text(chat: ByzerLLM) -> None:
    (response,) = chat.tokenize("chat", "Hello!")
    (tokens,) = response.output
    assert len(tokens) > 0
    assert all(isinstance(token, int) for token in tokens)
    assert chat.tokenize(None, "Hello! Hello!")[0].output[0][: len(tokens) - 1] == tokens[:-1]


def test_the_models_own_template(chat: ByzerLLM) -> None:
    prompt = chat.apply_chat_template("chat", CHATML)
    assert QUESTION in prompt
    assert chat.apply_chat_template("chat", json.dumps(CHATML)) == prompt
    bare = chat.apply_chat_template("chat", CHATML, add_generation_prompt=False)
    assert prompt.startswith(bare)
    assert len(prompt) > len(bare)
    # What the template writes, sent as it stands, gets the same answer.
    greedy = {"temperature": 0}
    chat.setup_template("chat", Templates.empty())
    (as_prompt,) = chat.chat_oai(prompt, llm_config=greedy)
    chat.setup_template("chat", "auto")
    assert chat.chat_oai(CHATML, llm_config=greedy)[0].output == as_prompt.output


def test_a_template_writes_the_prompt(chat: ByzerLLM) -> None:
    chat.setup_template("chat", Templates.qwen())
    (response,) = chat.chat_oai(CHATML, llm_config={"temperature": 0})
    assert response.input["prompt"] == (
        f"<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n{QUESTION}\n<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    assert response.metadata["finish_reason"] == "stop"
    assert "<|im_end|>" not in response.output
    assert chat.generate_instruction_from_history("chat", CHATML) == response.input["prompt"]
    words = {"user_role": "Q: ", "assistant_role": "A: "}
    (response,) = chat.chat_oai("hi", role_mapping=words, llm_config={"max_tokens": 3})
    assert response.input["prompt"] == "Q: hi\nA: "


def test_a_model_without_a_template_refuses_auto(llm: ByzerLLM) -> None:
    llm.setup_infer_backend(COUNTING).deploy(
        udf_name="plain", infer_params={"meta": {"support_chat_template": False}}
    )
    with pytest.raises(InvalidRequestError, match="'plain' has no chat template of its own"):
        llm.setup_template("plain", "auto")
    with pytest.raises(InvalidRequestError, match="template is 'chatml'; it must be one of"):
        llm.setup_template("plain", "chatml")


def test_limits_are_enforced(chat: ByzerLLM) -> None:
    chat.setup_max_input_length("chat", 8)
    with pytest.raises(ContextLengthError, match=r"prompt has \d+ tokens, more than the 8 that"):
        chat.chat_oai(QUESTION)
    chat.setup_max_input_length("chat", 1000).setup_max_output_length("chat", 3)
    assert chat.chat_oai(QUESTION)[0].metadata["generated_tokens_count"] == 3
    assert (
        chat.chat_oai(QUESTION, llm_config={"max_tokens": 2})[0].metadata["generated_tokens_count"]
        == 2
    )
    with pytest.raises(InvalidRequestError, match="max_tokens is 4, more than the 3 that"):
        chat.chat_oai(QUESTION, llm_config={"max_tokens": 4})
    chat.setup_max_model_length("chat", 10)
    with pytest.raises(ContextLengthError, match="the 10 that setup_max_model_length"):
        chat.chat_oai(QUESTION)
    assert (chat.get_max_model_length("chat"), chat.get_max_output_length("chat")) == (10, 3)
    with pytest.raises(InvalidRequestError, match="max_input_length is 0; it must be a whole"):
        chat.setup_max_input_length("chat", 0)


def test_generation_defaults_stay_with_the_deployment(llm: ByzerLLM) -> None:
    llm.setup_extra_generation_params("count", {"generation.max_tokens": 3})
    llm.setup_infer_backend(COUNTING).deploy(udf_name="count")
    other = ByzerLLM().setup_default_model_name("count")
    assert other.chat_oai("hi")[0].output == "1 2 3 "
    other.setup_extra_generation_params("count", {"gen.max_tokens": "2", "seed": 1})
    assert other.chat_oai("hi")[0].output == "1 2 "
    assert other.chat_oai("hi", llm_config={"max_tokens": 4})[0].output == "1 2 3 4 "
    generation = session().gateway.state().deployments[-1].spec.generation
    assert (generation.max_tokens, generation.seed) == (2, 1)
    with pytest.raises(InvalidRequestError, match="temperature is -1; it must be a number"):
        other.setup_extra_generation_params("count", {"temperature": -1})
    # What one client changes leaves alone what another one set.
    llm.setup_extra_generation_params("count", {"temperature": 0.5})
    generation = session().gateway.state().deployments[-1].spec.generation
    assert (generation.max_tokens, generation.seed, generation.temperature) == (2, 1, 0.5)
    # A deploy without defaults leaves them alone as well, and one with some sets those.
    ByzerLLM().setup_infer_backend(COUNTING).deploy(udf_name="count")
    assert llm.chat_oai("hi", model="count")[0].output == "1 2 "
    llm.deploy(udf_name="count")
    assert llm.chat_oai("hi", model="count")[0].output == "1 2 3 "
    llm.setup_extra_generation_params("count", {"max_tokens": None})
    assert len(llm.chat_oai("hi", model="count")[0].output.split()) == 10


def answers_by_worker(model: str) -> Counter[int]:
    """Finished requests of each worker, as it says itself."""
    router, plane = session().router, session().data_plane
    counts: Counter[int] = Counter()
    for endpoint in router._fetch(model).endpoints:
        counts[endpoint.index] = plane._client.get(f"{endpoint.url}/load").json()["requests"]
    return counts


def test_four_workers_and_a_slow_one(llm: ByzerLLM, tmp_path: Path) -> None:
    """Round robin is exact; the others leave no request behind a slow worker."""
    llm.setup_infer_backend(COUNTING).setup_num_workers(4).setup_worker_concurrency(2)

    def burst(name: str, requests: int) -> Counter[int]:
        threads = [
            threading.Thread(
                target=llm.chat_oai,
                args=("hi",),
                kwargs={"model": name, "llm_config": {"max_tokens": 1}},
            )
            for _ in range(requests)
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.01)
        for thread in threads:
            thread.join()
        return answers_by_worker(name)

    slow = {"slow": str(tmp_path / "turns"), "slow_s": 0.2}
    llm.setup_load_balance_way("round_robin").deploy(udf_name="turns", infer_params=slow)
    assert burst("turns", 24) == {0: 6, 1: 6, 2: 6, 3: 6}
    llm.undeploy("turns")
    for way in ("lru", "least_loaded"):
        slow = {"slow": str(tmp_path / way), "slow_s": 5.0}
        llm.setup_load_balance_way(way).deploy(udf_name=way, infer_params=slow)
        counts = burst(way, 60)
        assert sum(counts.values()) == 60
        # Two slots for five seconds each; a fair share would be 15.
        assert min(counts.values()) <= 6
        llm.undeploy(way)
    with pytest.raises(InvalidRequestError, match="load_balance"):
        llm.setup_load_balance_way("random").deploy(udf_name="random")


def test_pins_name_the_worker(llm: ByzerLLM) -> None:
    llm.setup_infer_backend(COUNTING).setup_num_workers(2).deploy(udf_name="pinned")
    llm.setup_default_model_name("pinned")
    llm.setup_pin_model_worker_mapping({"complete/chat": 1, "tokenizer": 0, "meta": 0})
    for _ in range(5):
        llm.chat_oai("hi")
    llm.chat(None, LLMRequest(["a", "b"]))
    assert answers_by_worker("pinned") == {0: 0, 1: 7}
    record: WorkerRecord = next(w for w in llm._record("pinned").workers if w.index == 1)
    assert record.id
    llm.setup_pin_model_worker_mapping({"chat": 2})
    with pytest.raises(InvalidRequestError, match="pinned to worker 2, but 'pinned' has .* 0 to 1"):
        llm.chat_oai("hi")
    with pytest.raises(InvalidRequestError, match="no kind of request 'emb' to pin; there is: emb"):
        llm.setup_pin_model_worker_mapping({"emb": 0})
    with pytest.raises(InvalidRequestError, match="chat is pinned to -1; it must be a worker's"):
        llm.setup_pin_model_worker_mapping({"chat": -1})


def test_a_replacement_takes_the_lost_workers_number(llm: ByzerLLM) -> None:
    llm.setup_infer_backend(COUNTING).setup_num_workers(2).deploy(udf_name="numbered")
    llm.setup_pin_model_worker_mapping({"chat": 0})
    lost = next(w for w in llm._record("numbered").workers if w.index == 0)
    with pytest.raises(Exception, match="lost|not ready"):
        list(llm.stream_chat_oai("exit", model="numbered", role_mapping={}))
    deadline = time.monotonic() + 60
    words: set[str] = set()
    while not words & {"answered"}:
        try:
            words.add(llm.chat_oai("hi", model="numbered")[0].output and "answered")
        except NotReadyError as error:
            words.add(error.message)
        assert time.monotonic() < deadline
    assert any("pinned to worker 0 of 'numbered', which is not ready" in word for word in words)
    (now,) = (w for w in llm._record("numbered").workers if w.index == 0)
    assert now.id != lost.id


def test_keys_of_setup(llm: ByzerLLM) -> None:
    llm.setup("maxConcurrency", 2).setup("infer_backend", COUNTING).setup("num_cpus", 0.01)
    llm.setup("workerMaxConcurrency", 7).setup("masterMaxConcurrency", 1000)
    llm.deploy(udf_name="keyed")
    spec = llm._record("keyed").spec
    assert (spec.workers, spec.worker_concurrency, spec.cpus_per_worker) == (2, 7, 0.01)
    with pytest.raises(InvalidRequestError, match="no key 'num_gpu'; did you mean 'num_gpus'"):
        llm.setup("num_gpu", 1)
