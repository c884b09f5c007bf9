"""What Byzer-LLM's page does with its services, on deployed models that ask a stand-in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from byzer_lab import ByzerLLM, LLMRequest
from tests.support.stand_in import KEY, StandIn

PNG = "iVBORw0KGgoAAAANSUhEUg=="
CHATS = [
    ("saas/baichuan", "baichuan_chat2", {"saas.model": "Baichuan2-Turbo"}),
    ("saas/qianwen", "qianwen_chat", {"saas.model": "qwen-turbo"}),
    ("saas/openai", "openai_chat", {"saas.model": "gpt-3.5-turbo-1106"}),
    ("saas/openai", "kimi_8k_chat", {"saas.model": "moonshot-v1-8k"}),
    ("saas/offical_openai", "kimi_chat", {"saas.model": "moonshot-v1-8k"}),
    ("saas/official_openai", "far_chat", {"saas.local_address": "127.0.0.1"}),
    ("saas/zhipu", "zhipu_chat", {"saas.model": "glm-4"}),
    ("saas/minimax", "minimax_chat", {"saas.model": "abab6.5-chat", "saas.group_id": "g1"}),
    ("saas/sparkdesk", "spark_chat", {"saas.api_password": KEY, "saas.api_key": ""}),
]
VECTORS = [
    ("saas/qianwen", "qianwen_emb", "text-embedding-v2"),
    ("saas/zhipu", "zhipu_emb", "embedding-2"),
    ("saas/baichuan", "baichuan_emb", "Baichuan-Text-Embedding"),
]
SEEING = [
    ("saas/official_openai", "yi_vl_chat", "yi-vl-plus"),
    ("saas/qianwen_vl", "qianwen_vl_chat", "qwen-vl-plus"),
]


@pytest.fixture(scope="module")
def stand_in() -> Iterator[StandIn]:
    with StandIn() as server:
        yield server


def deploy(llm: ByzerLLM, server: StandIn, kind: str, name: str, **params: Any) -> None:
    llm.setup_num_workers(1).setup_gpus_per_worker(0).setup_cpus_per_worker(0.001)
    if llm.is_model_exist(name):
        llm.undeploy(udf_name=name)
    given = {"saas.api_key": KEY, "saas.base_url": server.url, **params}
    llm.deploy(model_path="", pretrained_model_type=kind, udf_name=name, infer_params=given)


@pytest.mark.parametrize(("kind", "name", "params"), CHATS)
def test_chats(
    llm: ByzerLLM, stand_in: StandIn, kind: str, name: str, params: dict[str, Any]
) -> None:
    deploy(llm, stand_in, kind, name, **params)
    said = [{"role": "user", "content": "你好，你是谁"}]
    assert llm.chat_oai(model=name, conversations=said)[0].output == "You said: 你好，你是谁"
    config = {"gen.incremental_output": False}
    pieces = list(llm.stream_chat_oai(model=name, conversations=said, llm_config=config))
    assert pieces[-1][0] == "You said: 你好，你是谁"
    llm.undeploy(name)


@pytest.mark.parametrize(("kind", "name", "model"), VECTORS)
def test_vectors(llm: ByzerLLM, stand_in: StandIn, kind: str, name: str, model: str) -> None:
    deploy(llm, stand_in, kind, name, **{"saas.model": model})
    llm.setup_default_emb_model_name(name)
    assert len(llm.emb(None, LLMRequest(instruction="你好")).output) == 8
    llm.undeploy(name)


@pytest.mark.parametrize(("kind", "name", "model"), SEEING)
def test_pictures(llm: ByzerLLM, stand_in: StandIn, kind: str, name: str, model: str) -> None:
    deploy(llm, stand_in, kind, name, **{"saas.model": model})
    llm.setup_template(model=name, template="auto")
    llm.setup_default_model_name(name)
    asked = [
        [{"text": "详细描述图片里都有啥"}, {"image": f"data:image/jpg,{PNG}"}],
        [{"image": PNG, "text": "图片里有什么"}],
    ]
    for parts in asked:
        content = json.dumps(parts, ensure_ascii=False)
        (answer,) = llm.chat_oai(conversations=[{"role": "user", "content": content}])
        assert answer.output.startswith("You said and showed 1 picture: ")
    llm.undeploy(name)


def test_speech_and_a_picture(llm: ByzerLLM, stand_in: StandIn) -> None:
    deploy(llm, stand_in, "saas/openai", "openai_tts", **{"saas.model": "tts-1"})
    llm.setup_default_model_name("openai_tts")
    asks = {"input": "hello, open_tts", "voice": "alloy", "response_format": "mp3"}
    said = [{"role": "user", "content": json.dumps(asks, ensure_ascii=False)}]
    whole = base64.b64decode(llm.chat_oai(conversations=said)[0].output)
    assert b"".join(piece[0] for piece in llm.stream_chat_oai(conversations=said)) == whole
    llm.undeploy("openai_tts")
    deploy(llm, stand_in, "saas/openai", "openai_image_gen", **{"saas.model": "dall-e-3"})
    llm.setup_default_model_name("openai_image_gen")
    asks = {"input": "a white siamese cat", "size": "1024x1024", "quality": "standard"}
    said = [{"role": "user", "content": json.dumps(asks, ensure_ascii=False)}]
    assert base64.b64decode(llm.chat_oai(conversations=said)[0].output).startswith(b"\x89PNG")
    llm.undeploy("openai_image_gen")
