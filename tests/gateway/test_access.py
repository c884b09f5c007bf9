"""Keys, their limits, and what stays shut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai as sdk
import pytest

from byzer_lab.client.gateway import GatewayClient
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ConflictError, InvalidRequestError, NotFoundError, RateLimitError
from byzer_lab.gateway.keys import KeyStore, matching
from byzer_lab.gateway.limits import Limits
from byzer_lab.records import KeyRecord, NewKey

HELLO = [{"role": "user", "content": "hello"}]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_keys_are_kept_as_hashes(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    store = KeyStore(path)
    made = store.create(NewKey("ann", 5, 100))
    assert made.key.startswith(made.record.hint)
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.key not in path.read_text()
    again = KeyStore(path)
    assert matching(again.all(), made.key) == made.record
    assert matching(again.all(), made.key + "x") is None
    with pytest.raises(ConflictError):
        again.create(NewKey("ann"))
    for wrong in (NewKey("a b"), NewKey("b", -1), NewKey("b", 0, -1)):
        with pytest.raises(InvalidRequestError):
            again.create(wrong)
    again.revoke("ann")
    assert KeyStore(path).all() == []
    with pytest.raises(NotFoundError):
        again.revoke("ann")


def test_requests_of_a_minute() -> None:
    clock = Clock()
    limits = Limits(clock)
    key = KeyRecord(name="ann", hash="h", requests_per_minute=2)
    assert limits.admit(key)["x-ratelimit-remaining-requests"] == "1"
    limits.admit(key)
    with pytest.raises(RateLimitError) as caught:
        limits.admit(key)
    assert caught.value.details == {"limit": "requests", "retry_after_s": 30.0}
    clock.now += 30
    limits.admit(key)
    with pytest.raises(RateLimitError):
        limits.admit(key)
    limits.admit(KeyRecord(name="bob", hash="i", requests_per_minute=1))  # others go on


def test_tokens_of_a_minute() -> None:
    clock = Clock()
    limits = Limits(clock)
    key = KeyRecord(name="ann", hash="h", tokens_per_minute=60)
    limits.admit(key)
    limits.spend(key, 90)  # an answer's length is known when it is there
    with pytest.raises(RateLimitError) as caught:
        limits.admit(key)
    assert caught.value.details == {"limit": "tokens", "retry_after_s": 31.0}
    clock.now += 31
    limits.admit(key)


@pytest.fixture
def gateway(cluster: Runtime) -> Iterator[GatewayClient]:
    """The control API; keys that a test made are revoked after it."""
    client = GatewayClient(cluster)
    yield client
    left = client.keys()
    for key in left:
        client.revoke_key(key.name)
    client.close()


def test_a_key_opens_models_and_nothing_else(
    cluster: Runtime, gateway: GatewayClient, openai: Any, counting: str
) -> None:
    made = gateway.create_key(NewKey("ann"))
    client = openai.with_options(api_key=made.key)
    assert client.chat.completions.create(model=counting, messages=HELLO, max_tokens=1)
    by_key = {"Authorization": f"Bearer {made.key}"}
    assert httpx.get(f"{cluster.url}/metrics", headers=by_key).status_code == 200
    for path in ("/api/state", "/api/keys", f"/api/deployments/{counting}/route"):
        assert httpx.get(cluster.url + path, headers=by_key).status_code == 401
    assert httpx.get(f"{cluster.url}/v1/models", headers={"x-api-key": made.key}).is_success
    gateway.revoke_key("ann")
    with pytest.raises(sdk.AuthenticationError):
        client.models.list()


def test_a_keys_limit(gateway: GatewayClient, openai: Any, counting: str) -> None:
    made = gateway.create_key(NewKey("bob", requests_per_minute=1))
    client = openai.with_options(api_key=made.key)
    raw = client.chat.completions.with_raw_response.create(
        model=counting, messages=HELLO, max_tokens=1
    )
    assert raw.headers["x-ratelimit-remaining-requests"] == "0"
    with pytest.raises(sdk.RateLimitError) as caught:
        client.chat.completions.create(model=counting, messages=HELLO, max_tokens=1)
    assert caught.value.code == "rate_limit_exceeded"
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
    assert client.models.list()  # looking is free


def test_tokens_are_counted_against_the_key(
    gateway: GatewayClient, openai: Any, counting: str
) -> None:
    made = gateway.create_key(NewKey("eve", tokens_per_minute=10))
    client = openai.with_options(api_key=made.key)
    client.chat.completions.create(model=counting, messages=HELLO, max_tokens=100)
    with pytest.raises(sdk.RateLimitError) as caught:
        client.chat.completions.create(model=counting, messages=HELLO, max_tokens=1)
    assert caught.value.type == "tokens"


def test_what_needs_no_key(cluster: Runtime) -> None:
    for path in ("/health", "/version", "/docs", "/openapi.json"):
        assert httpx.get(cluster.url + path).status_code == 200
    for path in ("/v1/models", "/metrics", "/api/state"):
        assert httpx.get(cluster.url + path).status_code == 401


def test_pages_that_are_not_there(http: httpx.Client) -> None:
    assert http.get("/v1/nothing").json()["error"]["type"] == "invalid_request_error"
    assert http.get("/v1/chat/completions").status_code == 405
    assert http.get("/api/nothing").json()["error"]["code"] == "not_found"


def test_metrics(http: httpx.Client, openai: Any, counting: str) -> None:
    openai.chat.completions.create(model=counting, messages=HELLO, max_tokens=3)
    text = http.get("/metrics").text
    label = f'endpoint="/v1/chat/completions",model="{counting}",status="200"'
    assert f"byzer_lab_requests_total{{{label}}}" in text
    assert f'byzer_lab_workers_ready{{model="{counting}"}} 2.0' in text
    assert f'byzer_lab_output_tokens_total{{model="{counting}"}}' in text
