"""One real cluster for the whole run, in a folder of its own, stopped at the end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.cluster.launch import start_cluster, stop_cluster
from byzer_lab.cluster.runtime import Runtime

REPOSITORY = Path(__file__).parent.parent
COUNTING = "tests.support.engines:CountingEngine"


@pytest.fixture(scope="session")
def lab_home() -> Iterator[Path]:
    """A private BYZER_LAB_HOME; worker processes can import the tests' engines."""
    folder = Path(tempfile.mkdtemp(prefix="byzer-test-"))
    before = {name: os.environ.get(name) for name in ("BYZER_LAB_HOME", "PYTHONPATH")}
    os.environ["BYZER_LAB_HOME"] = str(folder)
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    yield folder
    for name, value in before.items():
        os.environ.pop(name) if value is None else os.environ.update({name: value})
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def hearing_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Whisper that was trained to understand the sounds of ``tests/support/hearing.py``."""
    from tests.support.hearing import make_whisper

    return make_whisper(tmp_path_factory.mktemp("hearing"))


@pytest.fixture(scope="session")
def cluster(lab_home: Path) -> Iterator[Runtime]:
    """A running Byzer Lab."""
    yield start_cluster()
    stop_cluster()


@pytest.fixture
def llm(cluster: Runtime) -> Iterator[ByzerLLM]:
    """A client; whatever a test deployed is taken down after it."""
    client = ByzerLLM()
    before = {record.spec.name for record in client._session.gateway.state().deployments}
    yield client
    for record in client._session.gateway.state().deployments:
        if record.spec.name not in before:
            client.undeploy(record.spec.name, force=True)


@pytest.fixture(scope="session")
def painter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a pipeline that paints what it is told: a coloured square."""
    from tests.support.painter import make_painter

    return make_painter(tmp_path_factory.mktemp("painter"))


@pytest.fixture(scope="session")
def seer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model that sees colour and place of a square."""
    from tests.support.seer import make_seer

    return make_seer(tmp_path_factory.mktemp("seer"))
