"""Several Ray nodes, the second one with GPUs that are only numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.session import session
from byzer_lab.cluster.launch import start_cluster
from byzer_lab.cluster.runtime import runtime_path
from byzer_lab.errors import WorkerLostError
from tests.cluster.test_cluster import own_home  # noqa: F401  (a fixture)
from tests.conftest import COUNTING, REPOSITORY
from tests.registry.test_deployments import wait_until

ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_USAGE_STATS_ENABLED": "0"}


class TwoNodes:
    """Ray on two nodes, and Byzer Lab on it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.two_nodes"],
            cwd=REPOSITORY,
            env={**os.environ, **ON_LOOPBACK},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()

    def end_second(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("end\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == "ended"

    def end(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture
def nodes(own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoNodes]:  # noqa: F811
    for name, value in ON_LOOPBACK.items():
        monkeypatch.setenv(name, value)
    ray = TwoNodes()
    try:
        start_cluster(ray_address=ray.address)
        yield ray
    finally:
        ray.end()
        runtime_path().unlink(missing_ok=True)


def test_workers_on_another_node(nodes: TwoNodes) -> None:
    llm = ByzerLLM().setup_infer_backend(COUNTING).setup_default_model_name("far")
    llm.setup_gpus_per_worker(0.5).setup_num_workers(2).setup("resource.second", 0.1)
    llm.setup_load_balance_way("round_robin")
    llm.deploy(udf_name="far", infer_params={"delay_s": 0.02})
    cluster = session().gateway.state().cluster
    assert (cluster.nodes, cluster.gpus.total, cluster.gpus.used) == (2, 2, 1)
    for _ in range(4):
        assert llm.chat_oai("hi", llm_config={"max_tokens": 2})[0].output == "1 2 "
    stream = llm.stream_chat_oai("hi", llm_config={"max_tokens": 10_000})
    next(stream)
    nodes.end_second()  # the machine is gone
    with pytest.raises(WorkerLostError, match="was lost while it was answering"):
        for _ in stream:
            pass
    wait_until(lambda: session().gateway.state().cluster.nodes == 1)
    waiting = "waiting for 0.5 GPUs (0 of 0 free) and 0.1 second (0 of 0 free)"
    wait_until(lambda: {worker.phase for worker in llm._record("far").workers} == {waiting})
    assert llm._record("far").state == "queued"
    llm.undeploy("far", force=True)


PLACEMENT = """
import ray
from byzer_lab.cluster.bootstrap import connect
from byzer_lab.records import DeploymentSpec
from byzer_lab.registry.launcher import PREFIX, _reservation, remove_placement

connect({address!r})

class Part:
    def where(self):
        group = ray.util.get_current_placement_group()
        bundles = [dict(sorted(bundle.items())) for bundle in group.bundle_specs]
        return bundles, ray.util.get_node_ip_address()

spec = DeploymentSpec(name="wide", backend="vllm", gpus_per_worker=2, cpus_per_worker=0.5)
actor = ray.remote(Part).options(**_reservation("wide-1", spec)).remote()
print(*ray.get(actor.where.remote(), timeout=60))
print(ray.available_resources().get("GPU", 0))
ray.kill(actor)
remove_placement("wide-1")
remove_placement("wide-1")  # it is gone already
while ray.available_resources().get("GPU", 0) != 2:
    pass
print("given back")
"""


def test_a_worker_of_several_gpus_gets_a_placement_group(nodes: TwoNodes) -> None:
    """What vLLM and its own actors find; no GPU is needed to reserve one."""
    program = PLACEMENT.format(address=session().runtime.ray_address)
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]
    where, taken, end = answer.stdout.strip().splitlines()[-3:]
    assert where == "[{'CPU': 0.5, 'GPU': 1.0}, {'GPU': 1.0}] 127.0.0.1"
    assert (float(taken), end) == (0, "given back")
