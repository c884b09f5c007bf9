"""``byzer-lab serve`` as a process of its own: what it listens on, and for whom."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai as sdk
import pytest

from byzer_lab.cluster.runtime import Runtime

HELLO = [{"role": "user", "content": "hello"}]
START_S = 60.0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def serving(*words: str, scheme: str = "http", **environment: str) -> Iterator[str]:
    """The command, once it answers; its URL."""
    port = free_port()
    run = [sys.executable, "-c", "from byzer_lab.cli.main import main; main()", "serve"]
    process = subprocess.Popen(
        [*run, "--port", str(port), *words],
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    url = f"{scheme}://127.0.0.1:{port}"
    deadline = time.monotonic() + START_S
    try:
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"{url}/health", verify=False)
                break
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=20)


def refused(*words: str) -> str:
    """What the command says when it won't serve."""
    run = [sys.executable, "-c", "from byzer_lab.cli.main import main; main()", "serve"]
    ended = subprocess.run([*run, *words], capture_output=True, text=True, timeout=60)
    assert ended.returncode in (1, 2), ended.stderr
    return ended.stderr


def test_the_readmes_snippet(cluster: Runtime, counting: str) -> None:
    with serving("--ray_address", "auto") as url:
        client: Any = sdk.OpenAI(base_url=f"{url}/v1", api_key="xxxx", max_retries=0)
        stream = client.chat.completions.create(
            model=counting,
            messages=HELLO,
            stream=True,
            max_tokens=3,
        )
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "1 2 3 "
        with_token = {"Authorization": f"Bearer {cluster.token}"}
        for path in ("/api/state", "/api/keys"):  # control is the gateway's
            assert httpx.get(url + path, headers=with_token).status_code == 404
        page = httpx.get(f"{url}/docs").text
        assert "/v1/chat/completions" in page
        assert "https://" not in page
        ask = {"model": counting, "messages": HELLO, "max_tokens": 1}
        for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
            answer = httpx.post(f"{url}/v1/chat/completions", json=ask, headers=headers)
            assert answer.status_code == 403, headers
            assert "access-control-allow-origin" not in answer.headers


def test_curl(counting: str) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    body = json.dumps({"model": counting, "messages": HELLO, "stream": True})
    with serving() as url:
        said = subprocess.run(
            [
                "curl",
                "-sS",
                "-N",
                f"{url}/v1/chat/completions",
                "-d",
                body[:-1] + ', "stream": true}',
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    assert said.endswith("data: [DONE]\n\n")


def test_a_key_a_role_and_one_model(counting: str) -> None:
    words = ["--served_model_name", counting, "--response_role", "bot"]
    words += ["--allowed_origins", "https://lab.example"]
    with serving(*words, BYZERLLM_API_KEY="geheim") as url:
        with pytest.raises(sdk.AuthenticationError):
            sdk.OpenAI(base_url=f"{url}/v1", api_key="xxxx", max_retries=0).models.list()
        client: Any = sdk.OpenAI(base_url=f"{url}/v1", api_key="geheim", max_retries=0)
        found = client.chat.completions.create(model="gpt-4", messages=HELLO, max_tokens=1)
        assert (found.model, found.choices[0].message.role) == ("gpt-4", "bot")
        assert [model.id for model in client.models.list()] == [counting]
        asked = httpx.options(
            f"{url}/v1/chat/completions",
            headers={
                "Origin": "https://lab.example",
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization",
            },
        )
        assert asked.headers["access-control-allow-origin"] == "https://lab.example"


def test_tls(counting: str, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    files = ("--ssl_keyfile", str(key), "--ssl_certfile", str(certificate))
    trust = ssl.create_default_context(cafile=str(certificate))
    with serving(*files, scheme="https") as url:
        models = httpx.get(f"{url}/v1/models", verify=trust).json()
    assert counting in [model["id"] for model in models["data"]]


def test_what_it_refuses(cluster: Runtime, counting: str) -> None:
    assert "there is no key" in refused("--host", "0.0.0.0", "--port", "0")
    assert "there is no key" in refused("--host", "", "--port", "0")
    assert "ssl_certfile" in refused("--ssl_keyfile", __file__)
    assert "only auto" in " ".join(refused("--template", "llama").split())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "can't be used" in refused("--port", str(taken.getsockname()[1]))
