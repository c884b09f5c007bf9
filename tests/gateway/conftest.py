"""A real cluster with a model that counts, and clients of its ``/v1``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.cluster.runtime import Runtime
from tests.conftest import COUNTING


@pytest.fixture(scope="session")
def counting(cluster: Runtime) -> str:
    """A deployment with two workers that count, 4 requests at a time each."""
    llm = ByzerLLM()
    llm.setup_num_workers(2).setup_worker_concurrency(4).setup_infer_backend(COUNTING)
    llm.deploy(udf_name="counting")
    return "counting"


@pytest.fixture(scope="session")
def openai(cluster: Runtime) -> Iterator[OpenAI]:
    """OpenAI's own client, which asks once."""
    with OpenAI(
        base_url=f"{cluster.url}/v1", api_key=cluster.token, max_retries=0, timeout=60
    ) as client:
        yield client
