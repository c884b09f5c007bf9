"""Clients of Node: OpenAI's own, and plain ``fetch``."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.cluster.runtime import Runtime
from tests.conftest import REPOSITORY
from tests.gateway.test_under_load import record, until

HERE = Path(__file__).parent / "node"
PACKAGES = Path(os.environ.get("BYZER_LAB_NODE_PACKAGES", REPOSITORY))
"""The folder whose ``node_modules`` has OpenAI's client."""
NODE = shutil.which("node", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")

pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not there")


def run(script: str, *arguments: str) -> Any:
    """What a script says."""
    answer = subprocess.run(
        [str(NODE), str(HERE / script), *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.mark.skipif(
    not (PACKAGES / "node_modules" / "openai").is_dir(),
    reason="the package openai is not among the node_modules",
)
def test_openais_client(cluster: Runtime, counting: str, talking: str) -> None:
    found = run(
        "official.mjs", str(PACKAGES), f"{cluster.url}/v1", cluster.token, counting, talking
    )
    assert {counting, talking} <= set(found["models"])
    assert found["whole"] == ["1 2 3 ", "stop", 3]
    assert "".join(found["pieces"]) == "1 2 3 "
    assert len(found["pieces"]) > 2
    assert found["usage"] == 3
    assert found["call"]["name"] == "weather"
    assert json.loads(found["call"]["arguments"]) == {"city": "Paris"}
    assert found["typed"] == {"title": "a", "body": "b"}
    assert found["response"] == "1 2 "
    assert found["vectors"] == [[1, 0.5, -1], [3, 0.5, -1]]
    assert found["errors"] == [
        ["NotFoundError", 404, None],
        ["BadRequestError", 400, "messages"],
        ["BadRequestError", 400, "frequency_penalty"],
        ["AuthenticationError", 401, None],
    ]


def test_plain_fetch(cluster: Runtime, counting: str, llm: ByzerLLM) -> None:
    found = run("plain.mjs", f"{cluster.url}/v1", cluster.token, counting)
    assert found["whole"] == "1 2 3 "
    assert found["type"].startswith("text/event-stream")
    assert "".join(found["pieces"]) == "1 2 3 "
    assert found["last"] == "[DONE]"
    assert found["left"]
    assert found["missing"] == [404, "model_not_found"]
    until(lambda: sum(one.load.in_flight for one in record(llm, counting).workers) == 0)
