"""A real cluster with small engines, and the official clients of its ``/v1``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic as anthropic_sdk
import httpx
import openai as openai_sdk
import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.cluster.runtime import Runtime
from tests.conftest import COUNTING

TALKING = "tests.support.talking:TalkingEngine"


@pytest.fixture(scope="package")
def counting(cluster: Runtime) -> Iterator[str]:
    """A deployment with two workers that count, 4 requests at a time each."""
    llm = ByzerLLM()
    llm.setup_num_workers(2).setup_worker_concurrency(4).setup_infer_backend(COUNTING)
    llm.deploy(udf_name="counting")
    yield "counting"
    llm.undeploy("counting", force=True)


@pytest.fixture(scope="package")
def talking(cluster: Runtime) -> Iterator[str]:
    """A deployment that shows what it was asked."""
    llm = ByzerLLM()
    llm.setup_worker_concurrency(8).setup_infer_backend(TALKING)
    llm.deploy(udf_name="talking")
    yield "talking"
    llm.undeploy("talking", force=True)


@pytest.fixture(scope="package")
def openai(cluster: Runtime) -> Iterator[Any]:
    """OpenAI's own client, which asks once. Not typed: tests send it what its types forbid."""
    with openai_sdk.OpenAI(
        base_url=f"{cluster.url}/v1", api_key=cluster.token, max_retries=0, timeout=60
    ) as client:
        yield client


@pytest.fixture(scope="package")
def anthropic(cluster: Runtime) -> Iterator[Any]:
    """Anthropic's own client, which asks once."""
    with anthropic_sdk.Anthropic(
        base_url=cluster.url, api_key=cluster.token, max_retries=0, timeout=60
    ) as client:
        yield client


@pytest.fixture
def http(cluster: Runtime) -> Iterator[httpx.Client]:
    """Plain HTTP with the cluster's token."""
    headers = {"Authorization": f"Bearer {cluster.token}"}
    with httpx.Client(base_url=cluster.url, headers=headers, timeout=60) as client:
        yield client
