"""The control API's client: names that are none, answers that are none."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fake_gateway import FakeGateway, deployment

from byzer_lab.client.gateway import GatewayClient
from byzer_lab.errors import ByzerLabError, ClusterError, ModelNotFoundError


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    gateway = FakeGateway()
    gateway.put(deployment("n"))
    gateway.start()
    yield gateway
    gateway.stop()


@pytest.mark.parametrize(
    "name", ["Qwen/Qwen2", "n#1", "n?x", "../state", "n/../n", "", " n", "n\n"]
)
def test_a_name_that_is_none_asks_for_no_page(gateway: FakeGateway, name: str) -> None:
    client = GatewayClient(gateway.runtime)
    for call in (client.undeploy, client.route, client.log, lambda name: client.scale(name, 2)):
        with pytest.raises(
            ModelNotFoundError, match=r"There is no deployment .* names have letters"
        ):
            call(name)
    assert gateway.requests == []
    assert client.undeploy("n").state == "succeeded"
    client.close()


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [(200, ClusterError, "can't be understood"), (307, ByzerLabError, "answered with status 307")],
)
def test_what_is_no_answer_is_an_error(
    gateway: FakeGateway, status: int, error: type[ByzerLabError], sentence: str
) -> None:
    client = GatewayClient(gateway.runtime)
    client.close()
    strange = httpx.MockTransport(lambda _: httpx.Response(status, text="<html>"))
    client._client = httpx.Client(transport=strange, base_url=gateway.runtime.url)
    with pytest.raises(error, match=sentence):
        client.state()
