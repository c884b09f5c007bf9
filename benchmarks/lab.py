"""A cluster of the benchmarks' own, deployments without a model, and a Ray driver beside them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from byzer_lab.client.session import session
from byzer_lab.cluster.bootstrap import connect, ray_environment
from byzer_lab.cluster.launch import start_cluster, stop_cluster
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.records import DeploymentSpec, WorkerRecord

REPOSITORY = Path(__file__).resolve().parent.parent
COUNTING = "tests.support.engines:CountingEngine"
"""An engine that does no work: it counts."""


@contextlib.contextmanager
def private_home() -> Iterator[Path]:
    """A BYZER_LAB_HOME for this run; the cluster's processes can import the benchmarks."""
    folder = Path(tempfile.mkdtemp(prefix="byzer-bench-"))
    os.environ["BYZER_LAB_HOME"] = str(folder)
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    for name in ("BYZER_LAB_URL", "BYZER_LAB_RAY_ADDRESS"):
        os.environ.pop(name, None)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def lab() -> Iterator[Runtime]:
    """A running Byzer Lab."""
    with private_home():
        try:
            yield start_cluster()
        finally:
            stop_cluster()


@contextlib.contextmanager
def deployed(
    name: str, workers: int = 1, backend: str = COUNTING, **more: Any
) -> Iterator[list[WorkerRecord]]:
    """A deployment of an engine without a model, and its workers.

    Args:
        name: Of the deployment.
        workers: How many.
        backend: Its engine.
        more: Further fields of its spec.
    """
    gateway = session().gateway
    spec = DeploymentSpec(
        name=name,
        backend=backend,
        workers=workers,
        worker_concurrency=1000,
        **more,
    )
    (*_, end) = gateway.watch(gateway.deploy(spec, secrets={}))
    assert end.state == "succeeded", end.error
    try:
        records = {record.spec.name: record for record in gateway.state().deployments}
        yield records[name].workers
    finally:
        list(gateway.watch(gateway.undeploy(name, force=True)))


@contextlib.contextmanager
def driver(runtime: Runtime) -> Iterator[Any]:
    """Ray in this process, connected to the same cluster: for the roads without Byzer Lab."""
    os.environ.update(ray_environment())
    ray = connect(runtime.ray_address)
    try:
        yield ray
    finally:
        ray.shutdown()
