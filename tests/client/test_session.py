"""The shared connection: never a cluster started behind one's back, nothing shared by a fork."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from fake_gateway import FakeGateway

from byzer_lab.client import session as session_module
from byzer_lab.client.session import existing_session
from byzer_lab.cluster.runtime import write_runtime

FORKING = """
import os, sys
import msgspec
from fake_gateway import FakeGateway, deployment
from byzer_lab.client.session import session
from byzer_lab.cluster.runtime import write_runtime

gateway = FakeGateway()
gateway.put(deployment("before-the-fork"))
gateway.start()
write_runtime(msgspec.structs.replace(gateway.runtime, pid=None))
before = session()
before.gateway.state()  # its connection stays open
session_module = sys.modules["byzer_lab.client.session"]
with session_module._lock:  # as when another thread connects in that moment
    child = os.fork()
    if child == 0:
        own = session()
        asked = own.gateway.state().deployments[0].spec.name
        os._exit(0 if own is not before and asked == "before-the-fork" else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert session() is before
assert before.gateway.state().deployments
"""


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    monkeypatch.delenv("BYZER_LAB_URL", raising=False)
    return tmp_path


def test_a_cluster_whose_head_is_gone_is_not_started(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(address: str) -> None:
        raise AssertionError("a cluster would have been started")

    monkeypatch.setattr(session_module, "connect_cluster", refuse)
    monkeypatch.setattr(session_module, "_current", None)
    assert existing_session() is None
    ended = subprocess.Popen(["true"])
    ended.wait()
    gateway = FakeGateway()
    gateway.start()  # the gateway may outlive its head for a moment
    try:
        write_runtime(msgspec.structs.replace(gateway.runtime, pid=ended.pid, created=1.0))
        assert existing_session() is None
    finally:
        gateway.stop()


def test_a_forked_child_connects_anew(own_home: Path) -> None:
    support = Path(__file__).parent.parent / "support"
    script = f"import sys; sys.path.insert(0, {str(support)!r})\n{FORKING}"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
