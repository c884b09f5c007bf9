"""A real Jupyter server with the extension, over a gateway without a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_gateway import FakeGateway
from jupyter_process import JupyterProcess

from byzer_lab.cluster.runtime import remove_runtime, write_runtime


@pytest.fixture(scope="module")
def byzer_lab_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of the tests' own."""
    home = tmp_path_factory.mktemp("byzer_lab_home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BYZER_LAB_HOME", str(home))
        patch.delenv("BYZER_LAB_URL", raising=False)
        yield home


@pytest.fixture(scope="module")
def jupyter(
    byzer_lab_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterProcess]:
    """A Jupyter server."""
    with JupyterProcess("server", tmp_path_factory.mktemp("jupyter"), byzer_lab_home) as jupyter:
        yield jupyter


@pytest.fixture
def gateway(byzer_lab_home: Path) -> Iterator[FakeGateway]:
    """A running gateway, on record in the runtime file."""
    gateway = FakeGateway()
    gateway.start()
    write_runtime(gateway.runtime)
    yield gateway
    gateway.stop()
    remove_runtime()
