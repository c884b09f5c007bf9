"""Providers with wire formats of their own, deployed and asked as Byzer-LLM's page does it."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from byzer_lab import ByzerLLM
from tests.providers.dialects import DIALECTS
from tests.support.scripted_http import scripted_server
from tests.support.spark_server import API_KEY, API_SECRET, Script, frame, spark_server

TEXT = "你好，世界 🙂"
HELLO = [{"role": "user", "content": "Hello?"}]


async def deploy(llm: ByzerLLM, kind: str, name: str, params: dict[str, Any]) -> Any:
    """Deploy on a thread, while the provider answers on this one."""
    llm.setup_num_workers(1).setup_gpus_per_worker(0).setup_cpus_per_worker(0.001)
    return await asyncio.to_thread(
        llm.deploy,
        model_path="",
        pretrained_model_type=kind,
        udf_name=name,
        infer_params=params,
    )


async def test_bedrock(llm: ByzerLLM) -> None:
    async with scripted_server() as server:
        server.script(*(DIALECTS["bedrock"].whole(TEXT) for _ in range(2)))
        secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
        params = {
            "saas.aws_access_key": "AKIDEXAMPLE",
            "saas.aws_secret_key": secret,
            "saas.region_name": "us-east-1",
            "saas.model_api_version": "bedrock-2023-05-31",
            "saas.model": "anthropic.claude-3-haiku-20240307-v1:0",
            "saas.base_url": server.url,
        }
        meta = await deploy(llm, "saas/aws_bedrock", "aws_bedrock_chat", params)
        assert secret not in json.dumps(meta)
        (response,) = await asyncio.to_thread(llm.chat_oai, HELLO, model="aws_bedrock_chat")
        assert response.output == TEXT
        told = response.metadata
        assert (told["input_tokens_count"], told["generated_tokens_count"]) == (9, 4)
        assert told["provider_request_id"] == "aws-1"
        answer = llm.async_stream_chat_oai(HELLO, model="aws_bedrock_chat", delta_mode=True)
        assert "".join([text async for text, _ in answer]) == TEXT


async def test_spark(llm: ByzerLLM) -> None:
    async with spark_server() as server:
        server.script(*(Script([frame(TEXT[:3], 0), frame(TEXT[3:], 2)]) for _ in range(2)))
        params = {
            "saas.appid": "app1",
            "saas.api_key": API_KEY,
            "saas.api_secret": API_SECRET,
            "gpt_url": f"{server.url}/v3.1/chat",
        }
        meta = await deploy(llm, "saas/sparkdesk", "sparkdesk_saas", params)
        assert meta["model_name"] == "generalv3"
        (response,) = await asyncio.to_thread(llm.chat_oai, HELLO, model="sparkdesk_saas")
        assert response.output == TEXT
        answer = llm.async_stream_chat_oai(HELLO, model="sparkdesk_saas", delta_mode=True)
        assert "".join([text async for text, _ in answer]) == TEXT


async def test_speech(llm: ByzerLLM) -> None:
    asks = {"input": "你好，大帅哥", "voice": "BV705_streaming", "response_format": "mp3"}
    turns = [{"role": "user", "content": json.dumps(asks, ensure_ascii=False)}]
    async with scripted_server() as server:
        server.script(*(DIALECTS["volcengine"].whole(TEXT) for _ in range(2)))
        params = {
            "saas.api_key": "volcano-token-0123456789",
            "saas.app_id": "app1",
            "saas.model": "volcano_tts",
            "saas.base_url": server.url,
        }
        await deploy(llm, "saas/volcengine", "volcano_tts", params)
        (response,) = await asyncio.to_thread(llm.chat_oai, turns, model="volcano_tts")
        assert base64.b64decode(response.output).decode() == TEXT
        pieces = await asyncio.to_thread(list, llm.stream_chat_oai(turns, model="volcano_tts"))
        assert b"".join(piece[0] for piece in pieces).decode() == TEXT
