"""Providers of OpenAI's wire format with addresses or keys of their own; the connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from byzer_lab.errors import InvalidRequestError
from byzer_lab.providers.openai_wire import qianfan
from byzer_lab.providers.presets import find_preset
from byzer_lab.providers.table import PROVIDERS, find_provider
from tests.providers.wire import KEY, asked, engine, question, streamed, text
from tests.support.scripted_http import answer, scripted_server


@pytest.mark.parametrize(
    "names",
    [
        {"api_base": "URL/", "deployment_id": "my-gpt", "api_type": "azure"},
        {"azure_endpoint": "URL", "azure_deployment": "my-gpt", "model": "gpt-4o"},
    ],
)
async def test_azure_by_both_families_of_names(names: dict[str, str]) -> None:
    async with scripted_server() as server:
        given: dict[str, Any] = {
            f"saas__{name}": value.replace("URL", server.url) for name, value in names.items()
        }
        made = engine(
            "saas/azure_openai", saas__api_key=KEY, saas__api_version="2023-07-01-preview", **given
        )
        made.load(lambda progress: None)
        server.script(streamed("Hi"))
        assert await text(made) == "Hi"
        await made.close()
        seen = server.only
        assert seen.path == "/openai/deployments/my-gpt/chat/completions"
        assert seen.query == {"api-version": "2023-07-01-preview"}
        assert seen.headers["api-key"] == KEY
        assert "authorization" not in seen.headers


async def test_azure_without_versions_and_with_a_token() -> None:
    params = {"saas__model": "gpt-4o", "saas__api_type": "azure_ad"}
    async with asked("saas/azure_openai", "/openai/v1", **params) as (made, server):
        server.script(streamed("Hi"))
        await text(made)
        assert server.only.target == "/openai/v1/chat/completions"
        assert server.only.headers["authorization"] == f"Bearer {KEY}"


async def test_minimax_with_its_group_and_the_address_of_its_old_call() -> None:
    path = "/v1/text/chatcompletion_v2"
    async with scripted_server() as server:
        made = engine(
            "saas/minimax",
            saas__api_key=KEY,
            saas__group_id="17",
            saas__model="abab5.5-chat",
            saas__api_url=server.url + path,
        )
        made.load(lambda progress: None)
        server.script(streamed("Hi"))
        await text(made)
        await made.close()
        assert server.only.target == "/v1/chat/completions?GroupId=17"


async def test_spark_over_http() -> None:
    params = {"saas__api_key": None, "saas__api_password": KEY, "saas__domain": "4.0Ultra"}
    async with asked("saas/sparkdesk", **params) as (made, server):
        server.script(streamed("Hi"))
        await text(made)
        assert server.only.headers["authorization"] == f"Bearer {KEY}"
        assert server.only.json["model"] == "4.0Ultra"


async def test_qianfan_with_a_key_and_an_application() -> None:
    key = "bce-v3/ALTAK-abc/0123456789"
    async with asked("saas/qianfan", "/v2", saas__api_key=key, saas__appid="app-1") as (
        made,
        server,
    ):
        server.script(streamed("Hi"))
        await text(made)
        assert server.only.path == "/v2/chat/completions"
        assert server.only.headers["authorization"] == f"Bearer {key}"
        assert server.only.headers["appid"] == "app-1"


async def test_qianfan_buys_a_token_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_700_000_000.0
    monkeypatch.setattr(qianfan.time, "time", lambda: now)
    async with scripted_server() as shop:
        params = {"saas__secret_key": "the-secret", "saas__token_url": shop.url}
        async with asked("saas/qianfan", "/v2", **params) as (made, server):
            shop.script(answer({"token": "bought-1"}), answer({"token": "bought-2"}))
            server.script(*(streamed("Hi") for _ in range(4)))
            await asyncio.gather(*(text(made) for _ in range(3)))
            host = shop.url.removeprefix("http://")
            query = {"expireInSeconds": "86400"}
            assert shop.only.path == "/v1/BCE-BEARER/token"
            assert shop.only.query == query
            assert shop.only.headers["host"] == host
            signed = qianfan.signature(KEY, "the-secret", host, shop.only.path, query, now)
            assert shop.only.headers["authorization"] == signed
            now += 86_400 - 60
            await text(made)
            tokens = [seen.headers["authorization"] for seen in server.seen]
            assert tokens == ["Bearer bought-1"] * 3 + ["Bearer bought-2"]


def test_baidus_signature() -> None:
    """Worked out by hand from the documentation, for fixed values."""
    got = qianfan.signature(
        "AK", "SK", "iam.bj.baidubce.com", "/v1/BCE-BEARER/token", {"expireInSeconds": "86400"}, 0.0
    )
    assert (
        got == "bce-auth-v1/AK/1970-01-01T00:00:00Z/1800/host/"
        "e41493a263f6bb0068d0020f8513d8af51c4cf2352bc81962354adf99a20db4d"
    )


@pytest.mark.parametrize(
    ("kind", "params", "says"),
    [
        ("saas/openai", {}, r"needs saas.api_key; set saas.api_key = \$\{OPENAI_API_KEY\}"),
        ("saas/openai", {"saas__api_key": ""}, "needs saas.api_key"),
        ("saas/openai", {"saas__api_key": KEY, "saas__modle": "x"}, "did you mean saas.model"),
        ("saas/openai", {"api_key": KEY, "saas__api_key": KEY}, "is given twice"),
        ("saas/openai", {"api_key": f"{KEY}\nx"}, "a line break or a character"),
        ("saas/openai", {"api_key": "钥匙"}, "a line break or a character"),
        ("saas/openai", {"api_key": KEY, "base_url": "api.x.com/v1"}, "must begin with its scheme"),
        ("saas/openai", {"api_key": KEY, "timeout": 0}, "timeout is 0"),
        ("saas/azure_openai", {"api_key": KEY}, "needs saas.azure_deployment"),
        ("saas/azure_openai", {"api_key": KEY, "deployment_id": "d"}, "needs saas.azure_endpoint"),
        ("saas/siliconflow", {"api_key": KEY}, "needs saas.model; known are Qwen/"),
        ("saas/qianfan", {}, "needs saas.api_key"),
        ("saas/opena", {}, "did you mean saas/openai"),
    ],
)
def test_what_a_deployment_says_wrong(kind: str, params: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says) as caught:
        engine(kind, **params)
    assert KEY not in caught.value.message


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_provider_has_a_preset_and_parameters(name: str) -> None:
    preset = find_preset(name)
    assert preset.page.startswith("https://")
    assert preset.base_url.startswith(("https://", "wss://")) or not preset.base_url
    names = [model.name for model in preset.models]
    assert len(set(names)) == len(names)
    assert all(model.input_price is None or preset.prices_of for model in preset.models)
    known = {alias for info in find_provider(f"saas/{name}").parameters() for alias in info.aliases}
    assert {"saas.model", "saas.base_url", "saas.proxies", "saas.timeout"} <= known


@contextlib.asynccontextmanager
async def proxy() -> AsyncIterator[tuple[str, list[str], list[str]]]:
    """A forward proxy that notes who came from where, and for what."""
    asked_for: list[str] = []
    came_from: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked_for.append(head.split(" ")[1])
        came_from.append(writer.get_extra_info("peername")[0])
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nproxy")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", asked_for, came_from
    finally:
        server.close()


@pytest.mark.parametrize("local", [None, "127.0.0.5"])
async def test_a_proxy_and_an_address_of_this_machine(local: str | None) -> None:
    async with proxy() as (url, asked_for, came_from):
        made = engine(
            "saas/official_openai",
            saas__api_key=KEY,
            saas__base_url="http://my.test.server.example.com:8083",
            saas__proxies=url,
            **({"saas__local_address": local} if local else {}),
        )
        made.load(lambda progress: None)
        with pytest.raises(Exception, match=r"\(403\): proxy"):
            await text(made)
        await made.close()
        assert asked_for == ["http://my.test.server.example.com:8083/chat/completions"]
        assert came_from == [local or "127.0.0.1"]


async def test_an_address_of_this_machine_alone() -> None:
    async with asked(saas__local_address="0.0.0.0") as (made, server):
        server.script(streamed("Hi"))
        assert await text(made) == "Hi"


async def test_proxies_of_the_environment_are_for_other_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with proxy() as (url, asked_for, _):
        monkeypatch.setenv("HTTP_PROXY", url)
        async with asked() as (made, server):
            server.script(streamed("Hi"))
            assert await text(made) == "Hi"
        made = engine("saas/openai", saas__api_key=KEY, saas__base_url="http://x.example/v1")
        made.load(lambda progress: None)
        with pytest.raises(Exception, match="proxy"):
            await text(made, question())
        await made.close()
        assert asked_for == ["http://x.example/v1/chat/completions"]


def test_a_proxy_that_is_none() -> None:
    made = engine("saas/openai", saas__api_key=KEY, saas__proxies="ftp://host")
    with pytest.raises(InvalidRequestError, match="saas.proxies can't be used"):
        made.load(lambda progress: None)
