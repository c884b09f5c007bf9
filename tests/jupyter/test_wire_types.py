"""The TypeScript wire types name no field that the Python structs lack."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from byzer_lab import jobs, records
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
    "IJobSpec": jobs.JobSpec,
    "IJobPoint": jobs.JobPoint,
    "ICheckpoint": jobs.Checkpoint,
    "IJob": jobs.JobRecord,
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


@pytest.mark.parametrize(
    ("states", "module"),
    [
        ("DeploymentState", records),
        ("WorkerState", records),
        ("JobState", jobs),
    ],
)
def test_states_are_the_same(states: str, module: ModuleType):
    body = re.search(rf"export type {states} =(.*?);", TOKENS.read_text(), re.DOTALL)
    assert body is not None
    assert set(re.findall(r"'(\w+)'", body[1])) == set(getattr(module, states).__args__)


def test_the_page_knows_the_defaults_that_the_wire_leaves_out():
    source = (TOKENS.parent / "jobs.ts").read_text()
    body = re.search(r"return \{(.*?)\.\.\.job", source, re.DOTALL)
    assert body is not None
    given = dict(re.findall(r"^    (\w+): (.*?),?$", body[1], re.MULTILINE))
    given = {name: value.replace("'", '"') for name, value in given.items()}
    spec = jobs.JobSpec(name="a", kind="sft", model_path="m")
    assert given.keys() <= set(jobs.JobRecord.__struct_fields__) - {"id", "spec"}
    assert given.pop("point") == "{ step: 0 }"
    defaults = {name: json.loads(value) for name, value in given.items()}
    assert jobs.JobRecord(id="", spec=spec, **defaults) == jobs.JobRecord(id="", spec=spec)
