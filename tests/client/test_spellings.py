"""Names and spellings of Byzer-LLM, and callers who give something else."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from byzer_lab import ByzerLLM, LLMHistoryItem, LLMRequest, SingleOutputMeta
from byzer_lab.client.conversations import read_messages
from byzer_lab.client.gateway import GatewayClient
from byzer_lab.client.llm_config import read_llm_config
from byzer_lab.client.types import metadata_of
from byzer_lab.config import absolute_path
from byzer_lab.engines import backend_name
from byzer_lab.errors import InvalidRequestError
from byzer_lab.records import DeploymentSpec
from byzer_lab.types import TokenLogprob, Usage


def test_names() -> None:
    assert LLMHistoryItem(role="user", content="hi").content == "hi"
    assert LLMRequest(instruction="wow", embedding=True).embedding
    assert SingleOutputMeta().finish_reason == ""
    assert ByzerLLM.raw_chat is ByzerLLM.chat


@pytest.mark.parametrize(
    ("conversation", "sentence"),
    [(5, "a text or a list of messages, not int"), (["x"], "holds 'x'. Each message is a dict")],
)
def test_what_is_no_conversation(conversation: object, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        read_messages(conversation)  # type: ignore[arg-type]


def test_logprobs_always_have_all_keys() -> None:
    token = TokenLogprob(1, "a", -0.5, [TokenLogprob(1, "a", -0.5)])
    told = metadata_of("m", "r", "stop", Usage(), logprobs=[token, TokenLogprob(2, "b", -1.0)])
    first, second = told["logprobs"]
    assert first["top"] == [{"token": 1, "text": "a", "logprob": -0.5, "top": []}]
    assert (second["top"], told["prob"]) == ([], -1.5)


def test_a_relative_path_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    assert absolute_path("model") == absolute_path("./model") == str(tmp_path / "model")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert absolute_path("~/model") == str(tmp_path / "model")
    for kept in ("", "bundled", "org/name", "~nobody-here/x", "x" * 300, str(tmp_path / "model")):
        assert absolute_path(kept) == kept


def test_a_deploy_sends_the_whole_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every face deploys through."""
    sent: list[DeploymentSpec] = []

    def call(self: object, method: str, path: str, kind: type, *, json: dict[str, Any]) -> None:
        sent.append(json["spec"])

    (tmp_path / "model").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(GatewayClient, "_call", call)
    gateway = object.__new__(GatewayClient)
    gateway.deploy(DeploymentSpec(name="chat", model_path="./model"), secrets={})
    assert sent[0].model_path == str(tmp_path / "model")


@pytest.mark.parametrize(
    ("call", "order"),
    [
        (
            ByzerLLM.chat_oai,
            "tools tool_choice execute_tool impl_func execute_impl_func impl_func_params "
            "func_params response_class response_after_chat enable_default_sys_message model "
            "role_mapping llm_config only_return_prompt",
        ),
        (ByzerLLM.stream_chat_oai, "model role_mapping delta_mode llm_config"),
        (ByzerLLM.async_stream_chat_oai, "role_mapping model delta_mode llm_config"),
        (ByzerLLM.chat, "request extract_params"),
        (ByzerLLM.tokenize, "s llm_config"),
        (ByzerLLM.apply_chat_template, "s llm_config"),
        (ByzerLLM.get_meta, "llm_config"),
    ],
)
def test_arguments_by_place(call: Callable[..., Any], order: str) -> None:
    parameters = list(inspect.signature(call).parameters.values())[2:]
    by_place = [one.name for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    assert by_place == order.split()


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"gen.timeout_s": 5}, "gen.timeout_s is not taken, because no clock breaks an answer off"),
        ({"foo": 1}, r"no parameter 'foo'; it has: adapter, .*max_tokens, .*request_id, "),
        ({"adapter": "a", "lora_name": "b"}, "adapter is given twice, also as 'lora_name'"),
        ({"request_id": "a", "gen.request_id": "b"}, "request_id is given twice, also as 'gen.re"),
        ({"gen.adapter": "a", "lora_name": "b"}, "gen.adapter is given twice, also as 'lora_name'"),
    ],
)
def test_what_llm_config_does_not_take(config: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        read_llm_config(config)


def test_settings_of_a_deploy_may_be_texts() -> None:
    llm = ByzerLLM().setup("num_gpus", "0").setup("maxConcurrency", "2").setup_num_workers(3)
    llm.setup("resource.big", "0.5").setup("max_workers", 4).setup("max_workers", None)
    assert llm._settings == {"gpus_per_worker": 0.0, "workers": 3, "resources": {"big": 0.5}}


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("num_gpus", "many", "gpus_per_worker is 'many'; it must be a number from 0 to 1000"),
        ("num_workers", 0, "workers is 0; it must be a whole number from 1 to 1000"),
        ("load_balance", "lurk", "load_balance is 'lurk'; it must be one of lru, round_robin"),
        ("infer_backend", 5, "backend is 5; it must be a text"),
        ("resource.big", -1, "resource.big is -1; it must be a number of at least 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused_at_once(
    key: str, value: object, sentence: str
) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        ByzerLLM().setup(key, value)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (None, "What to embed is None; it must be a text or a list"),
        (5, "What to embed is 5; it must be a text or a list"),
        (["a", 5], "The list to embed holds 5; each item must be a text"),
        ([], "the list is empty"),
    ],
)
def test_what_can_not_be_embedded(asked: Any, sentence: str) -> None:
    with pytest.raises(InvalidRequestError, match=sentence):
        ByzerLLM().emb("e", asked)


@pytest.mark.parametrize(
    "pairs", [5, [], ["q"], ["q", 5], ["q", "p", "x"], [["q", "p"], ["q"]], [["q", "p"], 5]]
)
def test_what_is_no_pair(pairs: Any) -> None:
    sentence = r"it must be one \[query, passage\] or a list of them"
    with pytest.raises(InvalidRequestError, match=sentence):
        ByzerLLM().emb_rerank("r", pairs)


def test_two_spellings_of_an_embedding_parameter() -> None:
    with pytest.raises(InvalidRequestError, match="normalize is given twice, also as 'gen.norm"):
        ByzerLLM().emb("e", "x", {"normalize": True, "gen.normalize_embeddings": True})


def test_a_model_is_named_by_a_text() -> None:
    with pytest.raises(InvalidRequestError, match="model is 5; it must be the name of a"):
        ByzerLLM().chat_oai("hi", model=5)  # type: ignore[arg-type]


def test_a_backend_in_other_letters_is_proposed() -> None:
    with pytest.raises(InvalidRequestError, match="Did you mean 'llama_cpp'"):
        backend_name("LLAMA_CPP")
