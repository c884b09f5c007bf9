"""The form's widgets, without a kernel and without a cluster."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets
import msgspec
import pytest
from fake_gateway import FakeGateway, deployment

from byzer_lab.client.session import existing_session
from byzer_lab.cluster.runtime import remove_runtime, write_runtime
from byzer_lab.engines.llama_cpp.parameters import Parameters
from byzer_lab.schema import ParameterInfo, describe_parameters
from byzer_lab.widgets import deploying
from byzer_lab.widgets.deploy_form import SUMMARY, DeployForm
from byzer_lab.widgets.parameter_rows import ParameterRows
from byzer_lab.widgets.rows import Row
from byzer_lab.widgets.snippets import snippet

KEY = "hf_abcdefghijABCDEFGHIJ0123456789"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No cluster runs."""
    monkeypatch.setenv("BYZER_LAB_HOME", str(tmp_path))
    monkeypatch.delenv("BYZER_LAB_URL", raising=False)
    monkeypatch.setattr(deploying, "LOG_WAIT_S", 0.5)
    return tmp_path


@pytest.fixture
def gateway(home: Path) -> Iterator[FakeGateway]:
    """A gateway that a cluster seems to have."""
    gateway = FakeGateway()
    gateway.start()
    write_runtime(msgspec.structs.replace(gateway.runtime, pid=None))
    assert existing_session() is not None  # else a deploy would start a real cluster
    yield gateway
    gateway.stop()
    remove_runtime()


def filled(**rows: str) -> DeployForm:
    form = DeployForm()
    for name, value in {"name": "chat", "model_path": "bundled", **rows}.items():
        form.rows[name].value = value
    return form


def state_of(widget: Any) -> str:
    """Everything that the widgets of a form hold, as it would be saved."""
    return json.dumps(ipywidgets.Widget.get_manager_state(), default=str)


def test_deploy_waits_for_a_good_draft() -> None:
    form = DeployForm()
    assert form.deploy.disabled
    assert form.cell == ""
    form.rows["name"].value = "chat"
    form.rows["model_path"].value = "bundled"
    assert not form.deploy.disabled
    assert form.cell == "%%llm_deploy chat --model_path bundled"
    form.rows["workers"].value = "none"
    assert form.deploy.disabled
    assert "it must be a whole number" in form.rows["workers"].said
    assert "bl-problem" in form.rows["workers"].said
    form.rows["workers"].value = "2"
    assert form.cell == "%%llm_deploy chat --model_path bundled --workers 2"
    assert form.rows["workers"].said.endswith("Copies of the model.</span>")


def test_the_fields_follow_the_backend() -> None:
    form = filled()
    form.parameters.add("page_size").value = "8"
    form.generation.add("seed").value = "7"
    assert form.cell.splitlines()[1:] == ["page_size = 8", "generation.seed = 7"]
    form.rows["backend"].value = "llama_cpp"
    assert form.cell.splitlines() == [
        "%%llm_deploy chat --model_path bundled --backend llama_cpp",
        "generation.seed = 7",
    ]
    form.parameters.add("n_ctx").value = "256"
    assert "n_ctx = 256" in form.cell
    assert "GGUF · byzer-lab-demo.gguf" in form.rows["model_path"].said


def test_other_resources_are_reserved() -> None:
    form = filled(resources="big_memory=0.01, disk=2")
    assert form.cell == (
        "%%llm_deploy chat --model_path bundled --resource big_memory=0.01 --resource disk=2"
    )
    form.rows["resources"].value = "big_memory"
    assert form.deploy.disabled
    assert "The amount of big_memory" in form.rows["resources"].said


def test_the_fields_follow_the_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    form = filled(model_path="", pretrained_model_type="saas/openai")
    assert form.deploy.disabled  # it has no key
    family = form.rows["pretrained_model_type"]
    assert "saas/openai needs saas.api_key; set saas.api_key = ${OPENAI_API_KEY}" in family.said
    assert "Not used" in form.rows["backend"].said
    assert "Parameters of saas/openai" in state_of(form)
    form.parameters.add("api_key").value = "${OPENAI_API_KEY}"
    assert "OpenAI; asks gpt-4o-mini by default; its key is usually in OPENAI_API_KEY" in (
        family.said
    )
    form.parameters.add("model").value = "gpt-4o"
    assert form.cell.splitlines() == [
        "%%llm_deploy chat --pretrained_model_type saas/openai",
        "api_key = ${OPENAI_API_KEY}",
        "model = gpt-4o",
    ]
    assert not form.deploy.disabled
    assert KEY not in state_of(form)
    family.value = "saas/deepseek"
    assert "DeepSeek" in family.said
    assert form.parameters.values == {"api_key": "${OPENAI_API_KEY}", "model": "gpt-4o"}
    family.value = "custom/auto"
    assert form.parameters.values == {}
    assert "Parameters of the transformers backend" in state_of(form)


def test_the_fields_follow_what_a_providers_model_does() -> None:
    form = filled(model_path="", pretrained_model_type="saas/minimax")
    assert form.parameters.add("dimensions").value is None
    form.parameters.add("model").value = "speech-02-hd"  # text to speech, which has no vectors
    assert "dimensions" not in [row.info.name for row in form.parameters.children[0].children]


def test_a_family_that_is_half_typed_is_said_to_be_none() -> None:
    form = filled(model_path="", pretrained_model_type="saas/yi")
    form.parameters.add("base_url").value = "http://127.0.0.1:1/v1"
    form.rows["pretrained_model_type"].value = "saas/opena"
    assert form.deploy.disabled
    assert "did you mean saas/openai" in form.rows["pretrained_model_type"].said
    form.rows["pretrained_model_type"].value = "saas/openai"
    assert form.parameters.values == {"base_url": "http://127.0.0.1:1/v1"}


def test_choices_and_truths_may_stay_open() -> None:
    form = filled()
    dtype = form.parameters.add("dtype")
    assert dtype.value is None
    assert dtype.input.options[0] == ("auto (default)", None)
    dtype.value = "float32"
    remote = form.parameters.add("trust_remote_code")
    assert [*remote.input.options] == [("false (default)", None), ("true", True)]
    remote.value = True
    assert form.cell.splitlines()[1:] == ["dtype = float32", "trust_remote_code = true"]


def test_no_widget_keeps_a_secret() -> None:
    form = filled()
    for row in (
        form.rows["name"],
        form.rows["model_path"],
        form.parameters.add("attn_implementation"),
    ):
        row.value = KEY
        assert row.value is None
        assert "A secret is never written here" in row.said
        assert KEY not in state_of(form)
        row.value = "again"
        assert "A secret" not in row.said
    assert KEY not in form.cell


def test_a_field_for_a_secret_takes_references_only(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row(ParameterInfo("hf_token", str, None, "For gated models."), lambda: None)
    assert not row.input.continuous_update
    row.value = "anything"
    assert row.value is None
    assert "${HF_TOKEN}" in row.said
    row.value = "${HF_TOKEN}"
    assert row.value == "${HF_TOKEN}"
    assert "For gated models." in row.said


def test_more_parameters_are_found_by_words_and_can_be_left_open_again() -> None:
    changes: list[dict[str, Any]] = []
    rows = ParameterRows(lambda: changes.append(rows.values))
    infos = describe_parameters(Parameters)
    rows.offer(infos[:2], infos[2:])
    shown = rows.children[2]
    assert len(shown.options) == len(infos) - 2
    rows.children[1].value = "yarn correction HIGH"
    assert [name for _, name in shown.options] == ["yarn_beta_fast"]
    shown.value = "yarn_beta_fast"
    assert rows.children[1].value == ""
    assert len(shown.options) == len(infos) - 3
    added = rows.add("yarn_beta_fast")
    added.value = "16"
    assert changes[-1] == {"yarn_beta_fast": "16"}
    rows.offer(infos[:2], infos[2:])
    assert rows.add("yarn_beta_fast") is added
    (remove,) = [child for child in added.children if isinstance(child, ipywidgets.Button)]
    remove.click()
    assert changes[-1] == {}
    assert "yarn_beta_fast" in [name for _, name in shown.options]


def test_a_saved_form_is_a_text() -> None:
    bundle = DeployForm()._repr_mimebundle_()
    assert bundle["text/plain"] == SUMMARY
    assert set(bundle) == {"text/plain", "application/vnd.jupyter.widget-view+json"}


def test_texts_are_escaped() -> None:
    shown = snippet('a = "<script>"')
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    row = Row(ParameterInfo("name", str, None, "h"), lambda: None)
    row.say(problem="<img src=x>", note="")
    assert "<img" not in row.said


def test_the_cluster_is_looked_at(gateway: FakeGateway) -> None:
    gateway.put(deployment("chat"))
    form = filled()
    assert form.checked.problems == {
        "name": "'chat' is ready already; choose another name, or tick Replace."
    }
    form.replace.value = True
    assert form.cell.endswith("--replace")
    form.rows["cpus_per_worker"].value = "9"
    assert "the cluster has 8" in form.rows["cpus_per_worker"].said
    assert form.rows["backend"].value == "transformers"
    form.rows["cpus_per_worker"].value = ""
    assert not form.deploy.disabled


def eventually(condition: Any, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_deploy_cancel_and_what_stays(gateway: FakeGateway) -> None:
    form = filled()
    form.deploy.click()
    progress = form.progress
    assert progress is not None
    assert form.deploy.disabled
    eventually(lambda: gateway.operations)
    gateway.say("chat", "reading <weights>")
    (operation,) = gateway.operations.values()
    gateway.advance(operation, phase="loading weights", progress=0.5)
    eventually(lambda: "loading weights" in progress.shown and "50%" in progress.shown)
    eventually(lambda: "reading &lt;weights&gt;" in progress.shown)
    progress.cancel.click()
    eventually(lambda: progress.state == "cancelled")
    assert gateway.requests[-1] == f"cancel {operation.id}"
    eventually(lambda: not form.deploy.disabled)
    assert "■ chat: cancelled" in progress.text


def test_a_deploy_that_is_refused_or_fails_says_why(gateway: FakeGateway) -> None:
    form = filled()
    gateway.refusal = "No node can hold it."
    form.deploy.click()
    progress = form.progress
    assert progress is not None
    eventually(lambda: progress.state == "failed")
    assert progress.text == "✗ chat: No node can hold it."
    gateway.refusal = ""
    eventually(lambda: not form.deploy.disabled)
    form.deploy.click()
    eventually(lambda: gateway.operations)
    (operation,) = gateway.operations.values()
    error = {"code": "engine", "message": "CUDA out of memory.", "details": {}}
    gateway.advance(operation, state="failed", error=error)
    eventually(lambda: form.progress is not progress and form.progress.state == "failed")
    assert form.progress is not None
    assert form.progress.text == "✗ chat: CUDA out of memory."


def test_a_finished_deploy_offers_a_prompt(gateway: FakeGateway) -> None:
    form = filled()
    form.deploy.click()
    eventually(lambda: gateway.operations)
    (operation,) = gateway.operations.values()
    gateway.advance(operation, state="succeeded")
    progress = form.progress
    assert progress is not None
    eventually(lambda: progress.state == "succeeded")
    assert "byzer-lab:insert-prompt-cell" in progress.shown
    eventually(lambda: not [t for t in threading.enumerate() if t.name == "byzer-lab-form"])
