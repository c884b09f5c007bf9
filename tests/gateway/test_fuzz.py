"""Requests made from the server's own description, right and wrong: none may break it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.core.result import Ok

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.gateway.app import HANDLERS
from byzer_lab.gateway.openapi import describe

EXAMPLES = 40
NUMBERS = {"max_tokens", "max_completion_tokens", "max_output_tokens"}
BODIES = [handler for handler in HANDLERS if handler.body is not Any]


@pytest.fixture(scope="module")
def demo(cluster: Runtime) -> Iterator[str]:
    """The bundled model, by the transformers backend."""
    llm = ByzerLLM()
    llm.setup_worker_concurrency(4)
    llm.deploy(model_path="bundled", udf_name="demo")
    yield "demo"
    llm.undeploy("demo", force=True)


def description(model: str) -> dict[str, Any]:
    """With a model that is there, and answers that end soon."""
    found = copy.deepcopy(describe(HANDLERS))
    for schema in found["components"]["schemas"].values():
        fields = schema.get("properties", {})
        if "messages" in fields or "prompt" in fields or "input" in fields or "query" in fields:
            fields["model"] = {"enum": [model]}
        for name in NUMBERS & set(fields):
            fields[name] = {"type": "integer", "minimum": 1, "maximum": 20}
            schema["required"] = sorted({*schema.get("required", []), name})
        if "n" in fields:
            fields["n"] = {"type": "integer", "minimum": 1, "maximum": 3}
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("handler", BODIES, ids=lambda handler: handler.__name__)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_no_request_breaks_the_server(
    cluster: Runtime, demo: str, handler: Any, mode: GenerationMode
) -> None:
    schema = schemathesis.openapi.from_dict(description(demo))
    schema.config.generation.update(modes=[mode])
    [operation] = [
        found.ok()
        for found in schema.get_all_operations()
        if isinstance(found, Ok) and found.ok().path == handler.path
    ]
    headers = {"Authorization": f"Bearer {cluster.token}"}

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        answer = case.call(base_url=cluster.url, headers=headers, timeout=60)
        assert answer.status_code < 500, (case.body, answer.text)
        if answer.status_code >= 400:
            assert answer.json()["error"]["message"]

    ask()
    assert httpx.get(f"{cluster.url}/v1/models", headers=headers).status_code == 200
