"""Jobs in a real kernel on a real cluster: followed, interrupted, outlived, ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from byzer_lab.client.session import session
from byzer_lab.cluster.runtime import Runtime
from tests.magics.kernel_driver import KernelDriver, Ran
from tests.registry.test_deployments import wait_until
from tests.support.jobs import COUNTING_JOB

Begin = Callable[..., Ran]


@pytest.fixture
def begin(kernel: KernelDriver, tmp_path: Path) -> Iterator[Begin]:
    """Runs the cell that begins a job which counts; whatever jobs there are go after the test."""

    def run(
        name: str, body: str, options: str = "", driver: KernelDriver = kernel, **how: float
    ) -> Ran:
        line = f"%%llm_finetune {name} --model_path bundled --data rows --path_prefix {tmp_path}"
        return driver.run(f"{line} --kind {COUNTING_JOB} {options}\n{body}", **how)

    kernel.run("rows = [{'text': 'one'}, {'text': 'two'}]")
    yield run
    gateway = session().gateway
    for record in gateway.state().jobs:
        gateway.delete_job(record.spec.name, force=True)


def test_a_job_is_shown_until_it_ends(kernel: KernelDriver, begin: Begin, tmp_path: Path) -> None:
    ran = begin("counts", "steps = 40\nstep_s = 0.05")
    assert ran.status == "ok", ran.messages
    [first] = ran.of("display_data")
    updates = ran.of("update_display_data")
    assert updates
    assert "counts" in first["data"]["text/plain"]
    last = updates[-1]
    assert last["data"]["text/plain"].startswith("✓ counts: completed · step 40/40 · loss 0.025")
    assert "%llm_jobs counts --deploy NAME deploys it" in last["data"]["text/plain"]
    assert "<img alt=" in last["data"]["text/html"]
    assert last["metadata"]["byzer_lab"]["state"] == "completed"
    assert last["transient"]["display_id"] == first["transient"]["display_id"]
    [rows] = tmp_path.glob("counts-*/finetune_data/data.jsonl")
    assert rows.read_text().splitlines() == ['{"text":"one"}', '{"text":"two"}']

    [table] = kernel.run("%llm_jobs").of("execute_result")
    assert "counts" in table["data"]["text/plain"]
    assert "40/40" in table["data"]["text/plain"]
    shown = kernel.run("job = %llm_jobs counts\nprint(job['state'], job['result'])")
    assert shown.stdout == f"completed {{'sum': {sum(range(41))}}}\n"
    assert "counted" in kernel.run("%llm_jobs counts --log").stdout
    assert "counts" in kernel.complete("%llm_jobs cou")
    kernel.run("%llm_jobs counts --delete --files")
    assert list(tmp_path.glob("counts-*")) == []


def test_an_interrupt_leaves_the_job_running_and_says_so(
    kernel: KernelDriver, begin: Begin
) -> None:
    ran = begin("long", "steps = 4000\nstep_s = 0.05\nsave_steps = 1000", interrupt_after_s=4.0)
    assert ran.error == ("KeyboardInterrupt", "The job 'long' goes on without this cell.")
    note = ran.of("display_data", "update_display_data")[-1]["data"]["text/plain"]
    assert "%llm_jobs long --watch shows it again, %llm_jobs long --stop ends it." in note
    wait_until(lambda: session().gateway.job("long").state == "running")
    again = kernel.run("%llm_jobs long --watch", interrupt_after_s=2.0)
    assert again.error[0] == "KeyboardInterrupt"
    kernel.run("%llm_jobs long --stop")
    ended = kernel.run("%llm_jobs long --watch")
    assert ended.status == "ok"
    assert (
        "■ long: stopped"
        in ended.of("display_data", "update_display_data")[-1]["data"]["text/plain"]
    )


def test_a_job_outlives_its_kernel(cluster: Runtime, begin: Begin) -> None:
    manager, client = start_new_kernel(kernel_name="python3")
    try:
        other = KernelDriver(manager, client)
        other.run("%load_ext byzer_lab\nrows = [{'text': 'one'}]")
        ran = begin("orphan", "steps = 4000\nstep_s = 0.05", "--no_wait", driver=other)
        assert ran.status == "ok", ran.messages
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    gateway = session().gateway
    before = gateway.job("orphan").step
    wait_until(lambda: gateway.job("orphan").step > before)


def test_a_failure_is_one_sentence_with_the_log(kernel: KernelDriver, begin: Begin) -> None:
    ran = begin("fails", 'say = "looking at the rows"\nfail = "Row 3 has no answer."')
    name, sentence = ran.error
    assert (name, sentence) == ("InvalidRequestError", "Row 3 has no answer.")
    assert "looking at the rows" in "\n".join(ran.traceback)
    assert "Traceback" not in "\n".join(ran.traceback)
    shown = ran.of("display_data", "update_display_data")[-1]["data"]["text/plain"]
    assert shown.startswith("✗ fails: failed")
    refused = begin("fails", "")
    assert refused.error[0] == "ConflictError"
    again = begin("fails", "steps = 3", "--replace")
    assert again.status == "ok", again.messages


def test_a_lost_process_goes_on_in_the_same_cell(begin: Begin) -> None:
    ran = begin("lost", "steps = 12\ndie_at = [6]\nstep_s = 0.1")
    assert ran.status == "ok", ran.messages
    last = ran.of("display_data", "update_display_data")[-1]["data"]["text/plain"]
    assert "completed · step 12/12" in last
    assert "attempt 2" in last
