"""The endpoints of docs/http-api.md, called on a real Jupyter server."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_launch
import httpx
import pytest
import websocket
from fake_gateway import TOKEN, FakeGateway, deployment, job
from jupyter_process import JupyterProcess

from byzer_lab.cluster.runtime import remove_runtime, write_runtime
from byzer_lab.jobs import JobPoint
from byzer_lab.records import OperationRecord

ENDPOINTS = [
    ("GET", "info"),
    ("GET", "state"),
    ("POST", "cluster/start"),
    ("POST", "cluster/stop"),
    ("DELETE", "deployments/chat"),
    ("POST", "deployments/chat/scale"),
    ("GET", "deployments/chat/logs"),
    ("POST", "operations/op1/cancel"),
    ("POST", "deployments"),
    ("DELETE", "jobs/lora"),
    ("POST", "jobs/lora/stop"),
    ("POST", "jobs/lora/resume"),
    ("POST", "jobs/lora/cancel"),
    ("GET", "jobs/lora/points"),
    ("GET", "jobs/lora/log"),
]
CHANGES = [endpoint for endpoint in ENDPOINTS if endpoint[0] != "GET"]


@pytest.fixture
def state(jupyter: JupyterProcess) -> Callable[..., dict[str, Any]]:
    """Asks for the state."""

    def ask(**since: Any) -> dict[str, Any]:
        reply = jupyter.request("GET", "byzer-lab/state", params=since)
        assert reply.status_code == 200, reply.text
        return reply.json()

    return ask


@pytest.fixture
def await_status(state: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Asks until the connection has a status."""

    def wait(status: str, timeout_s: float = 10.0) -> dict[str, Any]:
        deadline = time.monotonic() + timeout_s
        while (reply := state())["connection"]["status"] != status:
            assert time.monotonic() < deadline, f"{reply['connection']}, not {status}"
            time.sleep(0.05)
        return reply

    return wait


@pytest.fixture
def connected(gateway: FakeGateway, await_status: Callable[..., Any]) -> FakeGateway:
    """A gateway that the server is connected to, with one deployment."""
    gateway.put(deployment("chat"))
    await_status("connected")
    return gateway


@pytest.fixture
def events(jupyter: JupyterProcess) -> Iterator[websocket.WebSocket]:
    """Jupyter's event bus."""
    url = jupyter.url.replace("http", "ws", 1) + "api/events/subscribe"
    socket = websocket.create_connection(
        url, header=[f"Authorization: token {jupyter.token}"], timeout=5
    )
    yield socket
    socket.close()


def received(events: websocket.WebSocket) -> list[dict[str, Any]]:
    """Every event until the bus falls silent."""
    events.settimeout(0.6)
    found: list[dict[str, Any]] = []
    while True:
        try:
            found.append(json.loads(events.recv()))
        except websocket.WebSocketTimeoutException:
            return found


@pytest.mark.parametrize(("method", "path"), ENDPOINTS)
def test_without_jupyters_login_there_is_nothing(
    jupyter: JupyterProcess, connected: FakeGateway, method: str, path: str
):
    reply = httpx.request(method, f"{jupyter.url}byzer-lab/{path}", trust_env=False)
    assert reply.status_code == 403
    assert "chat" not in reply.text
    assert connected.requests == []


def test_another_sites_page_can_change_nothing(jupyter: JupyterProcess, connected: FakeGateway):
    """A cookie alone, which a foreign page's request would carry too, must not be enough."""
    with httpx.Client(trust_env=False) as browser:
        browser.get(jupyter.url + "login", params={"token": jupyter.token})
        browser.get(jupyter.url + "tree", params={"token": jupyter.token}, follow_redirects=True)
        assert browser.get(jupyter.url + "byzer-lab/info").status_code == 200
        reply = browser.delete(jupyter.url + "byzer-lab/deployments/chat")
    assert reply.status_code == 403
    assert "chat" in connected.deployments


def test_the_clusters_token_stays_on_the_server(jupyter: JupyterProcess, connected: FakeGateway):
    for method, path in ENDPOINTS:
        if not path.startswith("cluster"):
            reply = jupyter.request(method, f"byzer-lab/{path}", json={"workers": 1})
            assert TOKEN not in reply.text + str(reply.headers)
    assert TOKEN not in jupyter.log


def test_info(jupyter: JupyterProcess):
    info = jupyter.request("GET", "byzer-lab/info").json()
    assert info["read_only"] is False
    assert info["version"]


def test_no_cluster(state: Callable[..., dict[str, Any]], await_status: Callable[..., Any]):
    assert await_status("none")["snapshot"] is None


def test_state_and_what_changed_since(connected: FakeGateway, state: Callable[..., dict[str, Any]]):
    first = state()["snapshot"]
    assert first["full"]
    assert [item["spec"]["name"] for item in first["deployments"]] == ["chat"]
    connected.put(deployment("embed"))
    connected.remove("chat")
    deadline = time.monotonic() + 2
    while (delta := state(epoch=first["epoch"], since=first["rev"])["snapshot"])["rev"] < 4:
        assert time.monotonic() < deadline
    assert not delta["full"]
    assert [item["spec"]["name"] for item in delta["deployments"]] == ["embed"]
    assert delta["removed"] == ["chat"]


def test_a_change_is_announced_within_a_second(
    connected: FakeGateway, events: websocket.WebSocket, state: Callable[..., dict[str, Any]]
):
    known = state()["snapshot"]
    began = time.monotonic()
    connected.put(deployment("embed"))
    while (event := json.loads(events.recv())).get("rev") != known["rev"] + 1:
        pass
    assert time.monotonic() - began < 1.0
    assert event["schema_id"] == "https://byzer-lab.dev/events/state/v1"
    assert event["epoch"] == known["epoch"]
    assert TOKEN not in json.dumps(event)


def test_many_changes_make_few_announcements(connected: FakeGateway, events: websocket.WebSocket):
    until = time.monotonic() + 2.0
    number = 0
    while time.monotonic() < until:
        number += 1
        connected.put(deployment("busy", replaced=number))
        time.sleep(0.01)
    announced = received(events)
    assert number > 50
    assert 2 <= len(announced) <= 11


def test_lost_keeps_the_last_state_and_recovers(
    connected: FakeGateway, await_status: Callable[..., dict[str, Any]]
):
    connected.stop()
    lost = await_status("lost", 3.0)
    assert [item["spec"]["name"] for item in lost["snapshot"]["deployments"]] == ["chat"]
    assert "does not answer" in lost["connection"]["message"]
    connected.begin_epoch("after the restart")
    connected.start()
    recovered = await_status("connected", 6.0)
    assert recovered["snapshot"]["epoch"] == "after the restart"


def test_a_runtime_file_left_behind_is_no_lost_cluster(
    state: Callable[..., dict[str, Any]], await_status: Callable[..., dict[str, Any]]
):
    await_status("none")
    gateway = FakeGateway()
    gateway.start()
    gateway.stop()
    write_runtime(gateway.runtime)
    time.sleep(1.0)
    reply = state()
    remove_runtime()
    assert reply["connection"]["status"] == "none"
    assert "does not answer" in reply["connection"]["message"]


def test_start_and_stop(
    jupyter: JupyterProcess, byzer_lab_home: Path, await_status: Callable[..., dict[str, Any]]
):
    await_status("none")
    gateway = FakeGateway()
    gateway.start()
    fake_launch.prepare_start(gateway.runtime)
    reply = jupyter.request("POST", "byzer-lab/cluster/start")
    assert reply.status_code == 202
    assert reply.json()["connection"]["status"] == "starting"
    await_status("connected")
    assert jupyter.request("POST", "byzer-lab/cluster/stop").status_code == 202
    await_status("stopping")
    await_status("none")
    gateway.stop()
    (byzer_lab_home / fake_launch.PREPARED).unlink()


def test_a_failed_start_says_why(
    jupyter: JupyterProcess, await_status: Callable[..., dict[str, Any]]
):
    await_status("none")
    jupyter.request("POST", "byzer-lab/cluster/start")
    await_status("starting")
    assert "port 6379 is taken" in await_status("none")["connection"]["message"]


def test_changes_reach_the_gateway(jupyter: JupyterProcess, connected: FakeGateway):
    reply = jupyter.request("POST", "byzer-lab/deployments/chat/scale", json={"workers": 3})
    assert reply.status_code == 202
    assert reply.json()["kind"] == "scale"
    connected.operate(OperationRecord(id="op7", kind="deploy", deployment="chat"))
    assert jupyter.request("POST", "byzer-lab/operations/op7/cancel").json()["state"] == "cancelled"
    connected.put(deployment("chat"))
    jupyter.request("DELETE", "byzer-lab/deployments/chat", params={"force": "true"})
    assert connected.requests == ["scale chat to 3", "cancel op7", "undeploy chat force=true"]


def test_logs_wait_for_the_next_line(jupyter: JupyterProcess, connected: FakeGateway):
    connected.say("chat", "one")
    path = "byzer-lab/deployments/chat/logs"
    page = jupyter.request("GET", path, params={"after": -10}).json()
    assert [line["text"] for line in page["lines"]] == ["one"]
    began = time.monotonic()
    page = jupyter.request("GET", path, params={"after": page["next"], "wait": 0.4}).json()
    assert page["lines"] == []
    assert time.monotonic() - began > 0.3


def test_jobs_are_part_of_the_state(connected: FakeGateway, state: Callable[..., dict[str, Any]]):
    connected.put_job(job("lora", step=3, total_steps=9))
    deadline = time.monotonic() + 2
    while not (first := state()["snapshot"])["jobs"]:
        assert time.monotonic() < deadline
    assert first["jobs"][0]["spec"]["name"] == "lora"
    assert first["jobs"][0]["step"] == 3
    connected.remove_job("lora")
    since = {"epoch": first["epoch"], "since": first["rev"]}
    while not (delta := state(**since)["snapshot"])["removed_jobs"]:
        assert time.monotonic() < deadline
    assert (delta["full"], delta["jobs"], delta["removed_jobs"]) == (False, [], ["lora"])


def test_what_is_asked_of_jobs_reaches_the_gateway(jupyter: JupyterProcess, connected: FakeGateway):
    for step in (1, 2, 3):
        connected.put_job(job("lora", step=step, point=JobPoint(step=step, loss=1 / step)))
    connected.say("lora", "there are 33 data in dataset")
    page = jupyter.request("GET", "byzer-lab/jobs/lora/points", params={"after": 1}).json()
    assert [point["step"] for point in page["points"]] == [2, 3]
    page = jupyter.request("GET", "byzer-lab/jobs/lora/log", params={"after": -5}).json()
    assert [line["text"] for line in page["lines"]] == ["there are 33 data in dataset"]
    for action, state in (("stop", "stopping"), ("resume", "queued"), ("cancel", "cancelled")):
        reply = jupyter.request("POST", f"byzer-lab/jobs/lora/{action}")
        assert (reply.status_code, reply.json().get("state", "queued")) == (202, state)
    jupyter.request("DELETE", "byzer-lab/jobs/lora", params={"files": "true"})
    assert connected.requests == [
        "stop lora",
        "resume lora",
        "cancel lora",
        "delete lora files=true",
    ]
    assert jupyter.request("POST", "byzer-lab/jobs/lora/stop").status_code == 404


def test_a_model_is_deployed(jupyter: JupyterProcess, connected: FakeGateway):
    spec = {"name": "tuned", "model_path": "/jobs/lora/final"}
    reply = jupyter.request("POST", "byzer-lab/deployments", json={"spec": spec})
    assert reply.json()["kind"] == "deploy"
    assert connected.deployments["tuned"].spec.model_path == "/jobs/lora/final"


def test_the_gateways_errors_pass_through(jupyter: JupyterProcess, connected: FakeGateway):
    reply = jupyter.request("DELETE", "byzer-lab/deployments/nobody")
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "model_not_found"


def test_a_malformed_number_is_refused(jupyter: JupyterProcess):
    reply = jupyter.request("GET", "byzer-lab/state", params={"since": "soon"})
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "invalid_request"


def test_without_a_cluster_changes_say_so(jupyter: JupyterProcess):
    reply = jupyter.request("DELETE", "byzer-lab/deployments/chat")
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "cluster"


def test_a_stale_cluster_token_does_not_look_like_a_lost_login(
    jupyter: JupyterProcess, gateway: FakeGateway
):
    runtime = gateway.runtime
    runtime.token = "yesterdays"
    write_runtime(runtime)
    reply = jupyter.request("GET", "byzer-lab/deployments/chat/logs")
    assert reply.status_code == 503
    assert reply.json()["error"]["code"] == "cluster"


def test_polling_does_not_keep_an_idle_server_alive(
    jupyter: JupyterProcess, connected: FakeGateway
):
    def last_activity() -> str:
        return jupyter.request("GET", "api/status").json()["last_activity"]

    before = last_activity()
    jupyter.request("GET", "byzer-lab/state")
    jupyter.request("GET", "byzer-lab/deployments/chat/logs")
    jupyter.request("GET", "byzer-lab/jobs/lora/log")
    jupyter.request("GET", "byzer-lab/jobs/lora/points")
    assert last_activity() == before


def test_read_only_refuses_every_change(tmp_path: Path, byzer_lab_home: Path, gateway: FakeGateway):
    gateway.put(deployment("chat"))
    options = ["--ByzerLabApp.read_only=True"]
    with JupyterProcess("server", tmp_path, byzer_lab_home, options) as jupyter:
        assert jupyter.request("GET", "byzer-lab/info").json()["read_only"] is True
        for method, path in CHANGES:
            reply = jupyter.request(method, f"byzer-lab/{path}")
            assert reply.status_code == 403
            assert reply.json()["error"]["code"] == "read_only"
        assert jupyter.request("GET", "byzer-lab/state").status_code == 200
    assert gateway.requests == []


def test_the_extension_imports_no_ray():
    code = "import sys, byzer_lab.jupyter.app; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
