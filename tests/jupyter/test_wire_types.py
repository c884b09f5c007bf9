"""The TypeScript wire types name no field that the Python structs lack."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from byzer_lab import records
from byzer_lab.jupyter.watcher import Connection, StateReply

TOKENS = Path(__file__).parents[2] / "labextension" / "src" / "tokens.ts"

MIRRORS: dict[str, type[msgspec.Struct]] = {
    "IDeploymentSpec": records.DeploymentSpec,
    "ILoad": records.Load,
    "IWorker": records.WorkerRecord,
    "IDeployment": records.DeploymentRecord,
    "IOperation": records.OperationRecord,
    "IResources": records.Resources,
    "ICluster": records.ClusterRecord,
    "ISnapshot": records.StateSnapshot,
    "ILogLine": records.LogLine,
    "IConnection": Connection,
    "IStateReply": StateReply,
}


@pytest.mark.parametrize("interface", MIRRORS)
def test_fields_exist(interface: str):
    body = re.search(rf"export interface {interface} {{(.*?)\n}}", TOKENS.read_text(), re.DOTALL)
    assert body is not None
    named = set(re.findall(r"^  (\w+)\??:", body[1], re.MULTILINE))
    assert named
    assert named <= set(MIRRORS[interface].__struct_fields__)


@pytest.mark.parametrize("state", ["DeploymentState", "WorkerState"])
def test_states_are_the_same(state: str):
    body = re.search(rf"export type {state} =(.*?);", TOKENS.read_text(), re.DOTALL)
    assert body is not None
    assert set(re.findall(r"'(\w+)'", body[1])) == set(getattr(records, state).__args__)
