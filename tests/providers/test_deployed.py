"""Providers as deployments: chat, streams, bytes, cancelling, many at once, and secrets nowhere."""

from __future__ import annotations

import asyncio
import base64
import concurrent.futures
import contextlib
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from byzer_lab import ByzerLLM, LLMRequest
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import InvalidRequestError, ProviderAuthenticationError
from tests.support.stand_in import KEY, StandIn

PLAIN = {"saas.api_key": KEY}


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """A provider."""
    with StandIn() as server:
        yield server


def deploy(
    llm: ByzerLLM, server: StandIn, name: str, model: str = "gpt-4o-mini", **more: Any
) -> Any:
    """As Byzer-LLM's page does it: the key stands there as it is."""
    params = {"saas.api_key": KEY, "saas.base_url": server.url, "saas.model": model, **more}
    llm.setup_num_workers(1).setup_gpus_per_worker(0).setup_cpus_per_worker(0.001)
    return llm.deploy(
        model_path="", pretrained_model_type="saas/openai", udf_name=name, infer_params=params
    )


def test_chat_and_streams(llm: ByzerLLM, stand_in: StandIn) -> None:
    meta = deploy(llm, stand_in, "gpt")
    assert (meta["backend"], meta["model_name"]) == ("saas", "gpt-4o-mini")
    llm.setup_template("gpt", "auto").setup_default_model_name("gpt")
    said = [{"role": "user", "content": "good morning"}]
    (response,) = llm.chat_oai(said, llm_config={"max_tokens": 50, "gen.incremental_output": False})
    assert response.output == "You said: good morning"
    told = response.metadata
    assert (told["input_tokens_count"], told["generated_tokens_count"]) == (2, 4)
    assert told["finish_reason"] == "stop"
    assert told["provider_request_id"].startswith("stand-in-")
    assert told["provider_model"] == "gpt-4o-mini"
    assert told["cost"] == pytest.approx((2 * 0.15 + 4 * 0.6) / 1e6)
    assert told["currency"] == "USD"
    texts = [text for text, _ in llm.stream_chat_oai(said, delta_mode=True)]
    assert "".join(texts) == response.output
    assert llm.chat(None, LLMRequest(["one", "two"], max_length=20))[1].output == "You said: two"


class Story(BaseModel):
    """A story."""

    title: str
    pages: int


def now(zone: str = "UTC") -> str:
    """The time.

    Args:
        zone: Where.
    """
    return f"12:00 {zone}"


def test_objects_and_tools(llm: ByzerLLM, stand_in: StandIn) -> None:
    meta = deploy(llm, stand_in, "gpt")
    assert meta["structured_output"] == "json_schema"
    assert meta["support_tools"]
    llm.setup_default_model_name("gpt")
    asks = 'A story: {"title": "Rome", "pages": 3}'
    (typed,) = llm.chat_oai(asks, response_class=Story)
    assert typed.value == Story(title="Rome", pages=3)
    assert typed.metadata["structured_output"] == "json_schema"
    asks = 'What is now({"zone": "CET"})?'
    (called,) = llm.chat_oai(asks, tools=[now], execute_tool=True)
    assert called.values == ["12:00 CET"]
    llm.undeploy("gpt")


def test_vectors(llm: ByzerLLM, stand_in: StandIn) -> None:
    deploy(llm, stand_in, "emb", "text-embedding-3-small")
    llm.setup_default_emb_model_name("emb")
    assert len(llm.emb(None, LLMRequest(instruction="你好")).output) == 8
    assert len(llm.emb(None, ["a", "b", "c"])) == 3
    with pytest.raises(InvalidRequestError, match="can't write text"):
        llm.chat_oai("Hello?", model="emb")


def test_speech_and_pictures_as_base64_and_as_bytes(llm: ByzerLLM, stand_in: StandIn) -> None:
    deploy(llm, stand_in, "tts", "tts-1")
    deploy(llm, stand_in, "draw", "dall-e-3")
    asks = json.dumps({"input": "hello, open_tts", "voice": "alloy", "response_format": "wav"})
    turns = [{"role": "user", "content": asks}]
    (response,) = llm.chat_oai(turns, model="tts")
    sound = base64.b64decode(response.output)
    assert sound.startswith(b"RIFF")
    assert response.metadata["media_type"] == "audio/wav"
    file = b""
    for piece in llm.stream_chat_oai(turns, model="tts"):
        file += piece[0]
    assert file == sound
    asks = json.dumps({"input": "a white siamese cat", "size": "1024x1024", "n": 2})
    (response,) = llm.chat_oai([{"role": "user", "content": asks}], model="draw")
    assert base64.b64decode(response.output).startswith(b"\x89PNG")
    assert len(response.metadata["images"]) == 2


def test_errors_come_as_what_they_are(llm: ByzerLLM, stand_in: StandIn) -> None:
    deploy(llm, stand_in, "wrong", **{"saas.api_key": "sk-wrong-0123456789abcdef"})
    with pytest.raises(ProviderAuthenticationError, match="Incorrect API key") as caught:
        llm.chat_oai("Hello?", model="wrong")
    assert caught.value.details["status"] == 401
    with pytest.raises(InvalidRequestError, match=r"needs saas.api_key; set .*OPENAI_API_KEY"):
        llm.deploy(pretrained_model_type="saas/openai", udf_name="none")
    assert not llm.is_model_exist("none")


async def test_cancelling_reaches_the_provider(llm: ByzerLLM) -> None:
    with StandIn(pause_s=0.1) as server:
        await asyncio.to_thread(deploy, llm, server, "slow")
        answer = llm.async_stream_chat_oai("word " * 500, model="slow", delta_mode=True)
        await anext(answer)
        await answer.aclose()
        deadline = time.monotonic() + 20
        while not server.left and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        assert server.left == 1


def test_a_burst_of_200(llm: ByzerLLM) -> None:
    with StandIn(pause_s=0.01) as server:
        llm.setup_worker_concurrency(20)
        deploy(llm, server, "burst")
        texts = [f"number {number}" for number in range(200)]
        with concurrent.futures.ThreadPoolExecutor(200) as pool:
            answers = list(
                pool.map(lambda text: llm.chat_oai(text, model="burst")[0].output, texts)
            )
        assert answers == [f"You said: {text}" for text in texts]
        assert server.answered == 200
        assert 10 <= server.most_at_once <= 20


@pytest.mark.slow
def test_twenty_at_once(llm: ByzerLLM, stand_in: StandIn) -> None:
    names = [f"many-{number}" for number in range(20)]
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda name: deploy(ByzerLLM(), stand_in, name), names))
        answers = pool.map(lambda name: llm.chat_oai(name, model=name)[0].output, names)
        assert list(answers) == [f"You said: {name}" for name in names]


def test_a_key_stands_nowhere(
    llm: ByzerLLM,
    stand_in: StandIn,
    lab_home: Path,
    cluster: Runtime,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    """Not in state, meta, logs, errors, files: only among the secrets of the database."""
    secret = "sk-very-secret-0123456789abcdef"
    deploy(llm, stand_in, "hidden", **{"saas.api_key": secret})
    seen = [json.dumps(llm.get_meta("hidden"))]
    with pytest.raises(ProviderAuthenticationError) as caught:
        llm.chat_oai("Hello?", model="hidden")
    seen += [caught.value.message, json.dumps(caught.value.details)]
    with pytest.raises(InvalidRequestError) as refused:
        deploy(llm, stand_in, "other", **{"saas.api_key": secret, "saas.timeout": "never"})
    seen.append(refused.value.message)
    gateway = llm._session.gateway
    snapshot = gateway.state()
    (record,) = [one for one in snapshot.deployments if one.spec.name == "hidden"]
    assert record.spec.infer_params["saas.api_key"] == "${SAAS_API_KEY}"
    seen += [repr(snapshot), repr(gateway.log("hidden", after=0, wait=0))]
    seen += [*capfd.readouterr()]
    assert not [text for text in seen if secret in text]
    rays = Path(tempfile.gettempdir()).glob("byzer-*")  # its logs and its sockets
    files = {path for folder in (lab_home, *rays) for path in folder.rglob("*") if path.is_file()}
    found = {path for path in files if _holds(path, secret)}
    assert {path.name.removesuffix("-wal") for path in found} == {"registry.db"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in found)
    with contextlib.closing(sqlite3.connect(lab_home / "registry.db")) as database:
        tables = [
            row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        holding = [
            table
            for table in tables
            if any(secret in str(row) for row in database.execute(f"SELECT * FROM {table}"))
        ]
    assert holding == ["secrets"]
    assert secret not in Path(f"/proc/{record.workers[0].pid}/cmdline").read_text()
    assert secret not in Path(f"/proc/{record.workers[0].pid}/environ").read_text()
    again = deploy(llm, stand_in, "hidden", **{"saas.api_key": secret})  # the same: no change
    assert again == llm.get_meta("hidden")
    llm.undeploy("hidden")
    with contextlib.closing(sqlite3.connect(lab_home / "registry.db")) as database:
        assert not database.execute("SELECT * FROM secrets WHERE deployment = 'hidden'").fetchall()


def _holds(path: Path, secret: str) -> bool:
    try:
        return secret.encode() in path.read_bytes()
    except OSError:
        return False
