"""Starting, finding, stopping: twice, at once, stale, killed, on a taken port, on another Ray."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.cluster import processes
from byzer_lab.cluster.connect import connect_cluster
from byzer_lab.cluster.launch import find_cluster, start_cluster, stop_cluster
from byzer_lab.cluster.runtime import (
    Runtime,
    read_runtime,
    remove_runtime,
    runtime_path,
    starting_path,
    write_runtime,
)
from byzer_lab.errors import ClusterError
from tests.conftest import COUNTING


@pytest.fixture
def own_home(lab_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home of this test alone; no process of its cluster may be left at the end."""
    folder = Path(tempfile.mkdtemp(prefix="byzer-own-"))
    monkeypatch.setenv("BYZER_LAB_HOME", str(folder))
    yield folder
    runtime = read_runtime()
    stop_cluster()
    assert not (runtime and runtime.pid and processes.session_members(runtime.pid))
    assert not runtime_path().exists()
    shutil.rmtree(folder)


def test_a_second_start_finds_the_first(own_home: Path) -> None:
    """Also from two other programs at the same time."""
    program = "from byzer_lab import connect_cluster; print(connect_cluster().url)"
    both = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    urls = {process.communicate(timeout=120)[0].strip() for process in both}
    assert urls == {connect_cluster().url}
    assert stop_cluster() is True
    assert stop_cluster() is False


def test_nothing_listens_beyond_loopback_and_files_are_private(own_home: Path) -> None:
    runtime = start_cluster()
    assert runtime.pid is not None
    for process in processes.session_members(runtime.pid):
        for connection in process.net_connections(kind="inet"):
            if connection.status == psutil.CONN_LISTEN:
                address = connection.laddr.ip.removeprefix("::ffff:")
                assert address in ("127.0.0.1", "::1"), (process, connection)
    for name in ("runtime.json", "ray-token", "registry.db"):
        assert (own_home / name).stat().st_mode & 0o077 == 0, name
    assert httpx.get(f"{runtime.url}/api/state").status_code == 401
    wrong = {"Authorization": "Bearer wrong"}
    assert httpx.get(f"{runtime.url}/api/state", headers=wrong).status_code == 401


def test_a_killed_head_is_started_anew_with_its_deployments(own_home: Path) -> None:
    first = start_cluster()
    llm = ByzerLLM().setup_infer_backend(COUNTING)
    llm.deploy(udf_name="kept")
    assert first.pid is not None
    members = processes.session_members(first.pid)
    os.kill(first.pid, signal.SIGKILL)
    for process in members:
        if process.name() == "gcs_server":
            process.kill()
    deadline = time.monotonic() + 10
    while processes.is_alive(first.pid, first.created) and time.monotonic() < deadline:
        time.sleep(0.05)

    second = start_cluster()
    assert second.pid != first.pid
    assert not processes.session_members(first.pid)
    deadline = time.monotonic() + 60
    while llm._record("kept").state != "ready" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert llm.chat_oai("hi", model="kept", llm_config={"max_tokens": 2})[0].output == "1 2 "


def test_a_stale_runtime_file_is_no_obstacle(own_home: Path) -> None:
    runtime_path().write_text(
        '{"url": "http://127.0.0.1:9", "token": "x", "pid": 999999, "created": 1.0}'
    )
    assert find_cluster() is None
    assert start_cluster().pid != 999999


def test_a_runtime_file_with_a_reused_pid_ends_nobody(own_home: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    runtime_path().write_text(
        f'{{"url": "http://127.0.0.1:9", "token": "x", "pid": {bystander.pid}, "created": 1.0}}'
    )
    assert stop_cluster() is False
    assert bystander.poll() is None
    bystander.communicate(b"\n")


def test_an_ended_sessions_number_may_be_somebody_elses(own_home: Path) -> None:
    """The session's leader is gone, and a program of another one runs under its number."""
    script = "import subprocess, sys; print(subprocess.Popen(['sleep', '60'], stdout=-3).pid)"
    leader = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    bystander = psutil.Process(int(leader.communicate()[0]))
    runtime_path().write_text(
        f'{{"url": "http://127.0.0.1:9", "token": "x", "pid": {leader.pid}, "created": 1.0,'
        f' "temp_dir": "{own_home / "ray"}"}}'
    )
    assert stop_cluster() is False
    assert bystander.is_running()
    bystander.kill()


def test_the_token_is_not_shown(own_home: Path) -> None:
    assert "sesame" not in repr(Runtime(url="http://127.0.0.1:9", token="sesame"))


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_a_start_that_is_broken_off_leaves_nothing(own_home: Path, signal_number: int) -> None:
    """A kernel's interrupt or restart goes to its whole process group."""
    program = "from byzer_lab import connect_cluster; connect_cluster(progress=print)"
    starter = subprocess.Popen(
        [sys.executable, "-u", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == "starting Ray\n"
    time.sleep(3)
    os.killpg(starter.pid, signal_number)
    starter.communicate(timeout=60)
    if signal_number == signal.SIGKILL:
        start_cluster()  # waits for the start that nobody waits for any more, and finds its result
        stop_cluster()
    assert read_runtime() is None
    assert not starting_path().exists()
    heads = [process for process in psutil.process_iter() if _carries_home(process, own_home)]
    assert not heads


def _carries_home(process: psutil.Process, home: Path) -> bool:
    with contextlib.suppress(psutil.Error, OSError):
        mine = process.environ().get("BYZER_LAB_HOME") == str(home)
        return mine and process.status() != psutil.STATUS_ZOMBIE
    return False


def test_a_cluster_of_another_machine_is_left_alone(own_home: Path) -> None:
    write_runtime(Runtime(url="http://127.0.0.1:9", token="x", pid=1, host="elsewhere"))
    with pytest.raises(ClusterError, match="used by a Byzer Lab on elsewhere"):
        start_cluster()
    remove_runtime()


def test_a_foreign_cluster_that_is_gone_is_forgotten(own_home: Path) -> None:
    write_runtime(Runtime(url="http://127.0.0.1:9", token="x"))
    assert stop_cluster() is False
    assert read_runtime() is None


def test_a_damaged_database_is_one_sentence(own_home: Path) -> None:
    (own_home / "registry.db").write_text("this is no database, and long enough to be read as one")
    with pytest.raises(ClusterError, match=r"registry\.db can't be used .*move it away"):
        start_cluster()


@pytest.mark.parametrize("port", ["abc", "70000", "-1"])
def test_a_port_that_is_none(own_home: Path, monkeypatch: pytest.MonkeyPatch, port: str) -> None:
    monkeypatch.setenv("BYZER_LAB_PORT", port)
    with pytest.raises(ClusterError, match=f"BYZER_LAB_PORT is '{port}'; it must be a port"):
        start_cluster()


def test_a_home_that_is_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path / "file"))
    with pytest.raises(ClusterError, match="can't be made .*set BYZER_LAB_HOME"):
        find_cluster()


def test_a_damaged_runtime_file_names_nobody(own_home: Path) -> None:
    runtime_path().write_text("{")
    assert find_cluster() is None


def test_a_taken_port_is_one_sentence(own_home: Path) -> None:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ClusterError, match=f"Port {port} on 127.0.0.1 can't be used"):
            start_cluster(port=port)
    assert not runtime_path().exists()


def test_a_url_wants_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BYZER_LAB_URL", "http://127.0.0.1:1")
    monkeypatch.delenv("BYZER_LAB_TOKEN", raising=False)
    with pytest.raises(ClusterError, match="BYZER_LAB_TOKEN is not"):
        find_cluster()


def test_on_somebody_elses_ray(own_home: Path) -> None:
    """Byzer Lab runs on a Ray cluster that it did not start, and doesn't stop it."""
    temp_dir = tempfile.mkdtemp(prefix="ray-own-")
    environment = {
        **os.environ,
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
        processes.MARK: temp_dir,
    }
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    command += ["--node-ip-address=127.0.0.1", "--port=0", "--include-dashboard=false"]
    command += [f"--temp-dir={temp_dir}", "--object-store-memory=80000000", "--num-cpus=1"]
    ray = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, start_new_session=True
    )
    created = psutil.Process(ray.pid).create_time()
    try:
        announced = Path(temp_dir) / "ray_current_cluster"
        deadline = time.monotonic() + 90
        while not announced.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        runtime = start_cluster(ray_address=announced.read_text().strip())
        assert runtime.pid is None
        llm = ByzerLLM().setup_infer_backend(COUNTING)
        llm.deploy(udf_name="guest")
        assert llm.chat_oai("hi", model="guest", llm_config={"max_tokens": 1})[0].output == "1 "
        llm.undeploy("guest")
        with pytest.raises(ClusterError, match="not started by Byzer Lab"):
            stop_cluster()
    finally:
        os.environ.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)
        processes.end_session(ray.pid, created, temp_dir)
        ray.wait()
        runtime_path().unlink(missing_ok=True)
        shutil.rmtree(temp_dir, ignore_errors=True)


def test_a_ray_address_where_nobody_is(own_home: Path) -> None:
    for address in ("127.0.0.1:9", "nonsense"):
        with pytest.raises(ClusterError, match=f"There is no Ray cluster at '{address}'"):
            start_cluster(ray_address=address)


def test_runtime_is_read_from_the_environment(
    cluster: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYZER_LAB_URL", cluster.url + "/")
    monkeypatch.setenv("BYZER_LAB_TOKEN", cluster.token)
    found = find_cluster()
    assert found is not None
    assert found.url == cluster.url


def test_another_ray_cluster_is_not_silently_ignored(cluster: Runtime) -> None:
    assert start_cluster(ray_address=cluster.ray_address).url == cluster.url
    with pytest.raises(ClusterError, match=r"already runs, .*not on 127\.0\.0\.1:9"):
        start_cluster(ray_address="127.0.0.1:9")
