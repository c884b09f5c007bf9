"""The deploy form in a real kernel, on a real cluster; the test does what the page does."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from jupyter_client.session import Session

from tests.magics.kernel_driver import KernelDriver, Ran

KEY = "hf_abcdefghijABCDEFGHIJ0123456789"
VIEW = "application/vnd.jupyter.widget-view+json"


def models_of(ran: Ran) -> dict[str, dict[str, Any]]:
    """The state of each widget that a cell made, by its id."""
    return {
        content["comm_id"]: content["data"]["state"]
        for content in ran.of("comm_open")
        if content["target_name"] == "jupyter.widget"
    }


@pytest.fixture(scope="module")
def opened(kernel: KernelDriver) -> Ran:
    """The cell that opened the form."""
    ran = kernel.run("form = get_ipython().run_line_magic('llm_deploy', '')\nform")
    assert ran.status == "ok", ran.messages
    return ran


@pytest.fixture
def tell(kernel: KernelDriver, opened: Ran) -> Any:
    """Sends what a person does in the page: a value of the input with that label, or a press."""
    labels = {state.get("description"): comm for comm, state in models_of(opened).items()}

    def send(label: str, value: Any = None) -> None:
        data = {"method": "update", "state": {"value": value}, "buffer_paths": []}
        if value is None:
            data = {"method": "custom", "content": {"event": "click"}}
        session: Session = kernel.client.session
        content = {"comm_id": labels[label], "data": data}
        session.send(kernel.client.shell_channel.socket, session.msg("comm_msg", content))

    return send


def test_opening_is_one_cell_that_returns_at_once(opened: Ran) -> None:
    (bundle,) = opened.bundles
    assert bundle["text/plain"].startswith("The deploy form of Byzer Lab.")
    assert bundle[VIEW]["model_id"] in models_of(opened)
    assert len(models_of(opened)) < 400


def test_the_fields_are_checked_as_they_change(kernel: KernelDriver, tell: Any) -> None:
    tell("Name", "from_form")
    tell("Model", "bundled")
    tell("max_model_len", "1")
    out = kernel.eventually("print(form.checked.problems)", "max_model_len")
    assert "it must be a whole number of at least 2" in out
    assert kernel.run("print(form.deploy.disabled)").stdout == "True\n"
    tell("max_model_len", "256")
    cell = "%%llm_deploy from_form --model_path bundled\nmax_model_len = 256\n"
    assert kernel.eventually("print(form.cell)", "max_model_len = 256") == cell


def test_a_secret_is_taken_out_of_the_page_again(kernel: KernelDriver, tell: Any) -> None:
    tell("Family", KEY)
    assert "A secret is never written here" in kernel.eventually(
        "print(form.rows['pretrained_model_type'].said)", "A secret"
    )
    state = "json.dumps(ipywidgets.Widget.get_manager_state(), default=str)"
    found = kernel.run(f"import json, ipywidgets\nprint({KEY!r} in {state})")
    assert found.stdout == "False\n"
    tell("Family", "")
    kernel.eventually("print(form.deploy.disabled)", "False")


def test_deploy_from_the_form(kernel: KernelDriver, tell: Any) -> None:
    tell("Deploy")
    deadline = time.monotonic() + 120
    while True:
        out = kernel.eventually("print(form.progress and form.progress.text)", "ready", 1.0)
        if "ready" in out:
            break
        assert "✗" not in out, out
        assert time.monotonic() < deadline, out
    assert out == "✓ from_form: ready\n"
    shown = kernel.run("print(form.progress.shown)").stdout
    assert "byzer-lab:insert-prompt-cell" in shown
    assert "bl-log" in shown
    listed = kernel.run("%llm_list").texts[0]
    assert "from_form" in listed
    meta = kernel.run("m = %llm_meta from_form\nprint(m['max_model_len'])")
    assert meta.stdout == "256\n"
    assert "is ready already" in kernel.eventually("print(form.checked.problems)", "ready already")


def test_a_deploy_is_cancelled_and_a_failed_one_says_why(
    kernel: KernelDriver, tell: Any, tmp_path: Any
) -> None:
    tell("Name", "second")
    kernel.eventually("print(form.deploy.disabled)", "False")
    cancelled = kernel.run("form.deploy.click()\nform.progress.cancel.click()")
    assert cancelled.status == "ok"
    assert "was cancelled" in kernel.eventually("print(form.progress.text)", "■", 60)
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    tell("Model", str(tmp_path))
    kernel.eventually("print(form.checked.spec)", str(tmp_path))
    kernel.eventually("print(form.deploy.disabled)", "False")
    kernel.run("form.deploy.click()")
    out = kernel.eventually("print(form.progress.text)", "✗", 120)
    assert out.startswith("✗ second: ")
    assert str(tmp_path) in out
    kernel.run("%llm_undeploy second --force")
    kernel.run("%llm_undeploy from_form --force")
