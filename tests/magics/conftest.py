"""One real kernel with the extension loaded, beside the run's one cluster."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from jupyter_client.manager import start_new_kernel

from byzer_lab.cluster.runtime import Runtime
from tests.conftest import COUNTING
from tests.magics.kernel_driver import KernelDriver


@pytest.fixture(scope="module")
def kernel(cluster: Runtime) -> Iterator[KernelDriver]:
    """A kernel that has loaded the extension."""
    manager, client = start_new_kernel(kernel_name="python3")
    driver = KernelDriver(manager, client)
    try:
        loaded = driver.run("%load_ext byzer_lab")
        kinds = {kind for _, kind, _ in loaded.messages}
        assert (loaded.status, kinds - {"status", "execute_input"}) == ("ok", set())
        yield driver
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def chat(kernel: KernelDriver) -> Iterator[KernelDriver]:
    """The kernel, with the deployment ``chat`` that counts with pauses of 30 ms."""
    ran = kernel.run(f"%%llm_deploy chat --model_path none --backend {COUNTING}\ndelay_s = 0.03")
    assert ran.status == "ok", ran.messages
    yield kernel
    kernel.run("%llm_undeploy chat --force")
