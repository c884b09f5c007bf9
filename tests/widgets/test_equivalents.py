"""A spec written as a cell and as Python comes back as the same spec."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from byzer_lab_magics.deploying import DEPLOY, read_spec

from byzer_lab import ByzerLLM
from byzer_lab.records import DeploymentSpec
from byzer_lab.types import Sampling
from byzer_lab.widgets.equivalents import as_cell, as_python

SPECS = [
    DeploymentSpec("chat", "bundled"),
    DeploymentSpec(
        "chat-2.b",
        '/models/it\'s "mine" -- \\ here',
        pretrained_model_type="custom/llama2",
        backend="llama_cpp",
        workers=2,
        worker_concurrency=4,
        queue_limit=0,
        cpus_per_worker=1,
        gpus_per_worker=0.25,
        resources={"big_memory": 0.01, "disk": 1234567},
        load_timeout_s=123456.5,
        load_balance="round_robin",
        infer_params={
            "text": "a # b",
            "number_as_text": "007",
            "truth_as_text": "true",
            "empty": "",
            "template": "{{ message }} [INST]",
            "path": "/models/a",
            "secret": "${HF_TOKEN}",
            "joined": "Bearer ${HF_TOKEN}",
            "number": 0.9,
            "off": False,
            "stop": ["a", "b"],
            "adapters": {"first": "/a", "second": "/b"},
            "chinese": "模型",
        },
        generation=Sampling(temperature=0.2, stop=["\n"], max_tokens=9, ignore_eos=True),
    ),
    DeploymentSpec("scaled", "org/name", min_workers=2, max_workers=4, scale_down_after_s=5),
    DeploymentSpec("dash", "--model"),
]


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_cell_deploys_the_same(spec: DeploymentSpec) -> None:
    line, _, body = as_cell(spec).partition("\n")
    magic, _, rest = line.partition(" ")
    assert magic == "%%llm_deploy"
    assert read_spec(DEPLOY.parse(rest), body) == spec


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_the_python_deploys_the_same(spec: DeploymentSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = python_of(spec, monkeypatch)
    assert deployed == spec


def caught_deploys(monkeypatch: pytest.MonkeyPatch) -> list[DeploymentSpec]:
    """What a client deploys from now on; it gets no further than to where it would talk to a
    cluster."""
    found: list[DeploymentSpec] = []

    class Gateway:
        def deploy(self, spec: DeploymentSpec, **_: Any) -> None:
            found.append(spec)
            raise ConnectionAbortedError

    class Session:
        gateway = Gateway()

    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.setattr(ByzerLLM, "_session", Session())
    monkeypatch.setattr("byzer_lab.client.settings.existing_session", lambda: None)
    return found


def python_of(spec: DeploymentSpec, monkeypatch: pytest.MonkeyPatch) -> DeploymentSpec:
    """Run the Python text up to where it would talk to a cluster."""
    found = caught_deploys(monkeypatch)
    with pytest.raises(ConnectionAbortedError):
        exec(as_python(spec), {})
    (deployed,) = found
    return deployed


def test_what_defaults_say_is_not_written() -> None:
    spec = DeploymentSpec("chat", "bundled")
    assert as_cell(spec) == "%%llm_deploy chat --model_path bundled"
    assert as_cell(spec, replace=True) == "%%llm_deploy chat --model_path bundled --replace"
    assert as_python(spec, replace=True).splitlines() == [
        "from byzer_lab import ByzerLLM",
        "",
        "llm = ByzerLLM()",
        "llm.deploy(",
        '    model_path="bundled",',
        '    udf_name="chat",',
        "    replace=True,",
        ")",
    ]


def test_bodies_read_as_a_person_would_write_them() -> None:
    spec = msgspec.structs.replace(
        DeploymentSpec("chat", "m"),
        infer_params={"dtype": "bfloat16", "token": "${HF_TOKEN}", "n": 1, "text": "a b"},
        generation=Sampling(temperature=0.5),
    )
    assert as_cell(spec).splitlines()[1:] == [
        "dtype = bfloat16",
        "token = ${HF_TOKEN}",
        "n = 1",
        'text = "a b"',
        "generation.temperature = 0.5",
    ]
