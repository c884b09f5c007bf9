"""One deployment's life where the cluster refuses: with a launcher that Ray says no to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from byzer_lab.records import DeploymentRecord, DeploymentSpec, OperationRecord, WorkerRecord
from byzer_lab.registry.journal import Journal
from byzer_lab.registry.supervisor import Supervisor


class RefusingLauncher:
    """Every worker is refused."""

    def create(self, *_: Any) -> Any:
        raise ValueError("Use the 'num_cpus' keyword instead.")

    def adopt(self, worker_id: str) -> None:
        return None

    def waiting_phase(self, spec: DeploymentSpec) -> str:
        return "waiting"


def make(tmp_path: Path, **fields: Any) -> tuple[Supervisor, Journal]:
    journal = Journal(tmp_path / "registry.db")
    record = DeploymentRecord(spec=DeploymentSpec(name="refused", workers=2), **fields)
    journal.touch(record)
    return Supervisor(record, journal, RefusingLauncher()), journal  # type: ignore[arg-type]


async def test_a_refused_worker_fails_the_deploy_and_can_be_removed(tmp_path: Path) -> None:
    supervisor, journal = make(tmp_path)
    operation = OperationRecord(id="1", kind="deploy", deployment="refused")
    journal.touch(operation)
    supervisor.begin(operation)
    assert operation.state == "failed"
    assert operation.error is not None
    assert "Use the 'num_cpus' keyword" in operation.error["message"]
    assert (supervisor.record.state, supervisor.record.workers) == ("failed", [])
    await asyncio.wait_for(supervisor.end(force=True), 5)


async def test_a_deployment_that_cant_be_restored_is_failed(tmp_path: Path) -> None:
    supervisor, _ = make(tmp_path, state="ready", workers=[WorkerRecord(id="refused-1")])
    supervisor.adopt()
    assert (supervisor.record.state, supervisor.record.workers) == ("failed", [])
    assert supervisor.record.error is not None
    await asyncio.wait_for(supervisor.end(force=False), 5)
