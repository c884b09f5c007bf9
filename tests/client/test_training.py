"""Trainings from Python: rows, Byzer-LLM's keys, and jobs as objects."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import pandas
import polars
import pyarrow
import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.session import session
from byzer_lab.client.training.keys import Reserved, kind_of, spec_of
from byzer_lab.client.training.staging import stage
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ConflictError, InvalidRequestError
from byzer_lab.jobs import JobRecord
from tests.registry.test_deployments import wait_until
from tests.support.jobs import COUNTING_JOB

ROWS = [{"instruction": "a", "output": "b"}, {"instruction": "c", "output": None}]


def lines(path: str) -> list[Any]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@pytest.mark.parametrize(
    "data", [ROWS, pandas.DataFrame(ROWS), polars.DataFrame(ROWS), pyarrow.Table.from_pylist(ROWS)]
)
def test_rows_of_every_kind_are_written(tmp_path: Path, data: Any) -> None:
    written = stage(data, str(tmp_path / "job"))
    assert written == str(tmp_path / "job/finetune_data/data.jsonl")
    assert lines(written) == ROWS


def test_values_that_json_does_not_have(tmp_path: Path) -> None:
    row = {
        "when": pandas.Timestamp("2026-01-02"),
        "day": datetime.date(2026, 1, 2),
        "vector": numpy.array([1, 2]),
        "number": numpy.int64(3),
    }
    [written] = lines(stage([row], str(tmp_path)))
    assert written["vector"] == [1, 2]
    assert written["number"] == 3
    assert written["day"] == "2026-01-02"
    assert written["when"].startswith("2026-01-02T00:00:00")


def test_partitions_keep_the_order(tmp_path: Path) -> None:
    folder = Path(stage([str(number) for number in range(7)], str(tmp_path), parts=3))
    parts = [lines(str(folder / f"data-{part}/data.jsonl")) for part in range(3)]
    assert [len(part) for part in parts] == [2, 2, 3]
    assert [row["text"] for part in parts for row in part] == [str(number) for number in range(7)]


def test_what_are_no_rows(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    for data, sentence in (
        ([], "The data has no rows"),
        ([1], "Row 1 of the data is of type int; rows are mappings"),
        (3.5, "The data is of type float; give a list of rows"),
        ([{"a": object()}], "A value of type object can't be written as JSON"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            stage(data, str(folder))
        assert not folder.exists()
    (tmp_path / "file").touch()
    with pytest.raises(InvalidRequestError, match="can't be written into .* name another place"):
        stage(ROWS, str(tmp_path / "file/job"))


def test_byzer_llms_keys_become_a_job() -> None:
    spec = spec_of(
        kind_of("finetune", "sfft/llama2"),
        {
            "name": "n",
            "localModelDir": "/m",
            "localPathPrefix": "/p",
            "localDataDir": "/d",
            "pretrainedModelType": "sfft/llama2",
            "detached": "true",
            "model": "command",
            "sfft.int.max_length": "128",
            "max_attempts": "3",
        },
        Reserved(num_gpus=4, num_cpus=2),
    )
    assert (spec.kind, spec.name, spec.model_path, spec.data_path) == ("sfft", "n", "/m", "/d")
    assert (spec.path_prefix, spec.model_type, spec.max_attempts) == ("/p", "sfft/llama2", 3)
    assert (spec.workers, spec.gpus_per_worker, spec.cpus_per_worker) == (4, 1.0, 0.5)
    assert spec.parameters == {"sfft.int.max_length": "128"}
    merge = Reserved(num_gpus=2).fields("merge")  # one process does it
    assert (merge["workers"], merge["gpus_per_worker"]) == (1, 2.0)
    assert Reserved(num_gpus=0.5).fields("sft")["gpus_per_worker"] == 0.5
    with pytest.raises(InvalidRequestError, match=r"num_gpus is 2\.5; above 1"):
        Reserved(num_gpus=2.5).fields("sft")
    with pytest.raises(InvalidRequestError, match="The job was refused: .*int"):
        spec_of("sft", {"max_attempts": "many"}, Reserved())


@pytest.fixture
def client(cluster: Runtime) -> Iterator[ByzerLLM]:
    """A client; whatever jobs a test began are gone after it."""
    llm = ByzerLLM()
    yield llm
    for job in llm.jobs():
        job.delete(force=True)


def test_a_job_as_an_object(client: ByzerLLM, tmp_path: Path) -> None:
    given = {"model_path": "bundled", "path_prefix": str(tmp_path)}
    job = client.train(
        COUNTING_JOB, name="object", parameters={"steps": 200, "step_s": 0.1}, data=ROWS, **given
    )
    assert lines(job.record.spec.data_path) == ROWS
    assert job.record.spec.data_path.startswith(job.folder)
    with pytest.raises(TimeoutError, match="The job 'object' is still"):
        job.wait(timeout_s=0.5)

    def interrupt(record: JobRecord) -> None:
        if record.step > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.wait(interrupt)
    assert job.state == "running"
    job.stop()
    assert job.wait(timeout_s=60).state == "stopped"
    with pytest.raises(ConflictError, match="has made no model to deploy"):
        job.deploy()
    assert [point.step for point in job.points()] == list(range(1, job.record.step + 1))
    assert repr(job).startswith("<Job object stopped ")
    assert [one.name for one in client.jobs()] == ["object"]

    failing = client.train(COUNTING_JOB, name="failing", parameters={"fail": "no rows."}, **given)
    with pytest.raises(InvalidRequestError, match="no rows"):
        failing.wait(timeout_s=60)


def test_a_refused_job_leaves_nothing(client: ByzerLLM, tmp_path: Path) -> None:
    for more, sentence in (
        ({"sft_name": "no/name"}, "can't name a job"),
        ({"model_params": {"sft.int.lora_rnk": 4}}, "did you mean lora_rank"),
        ({"num_gpus": 64}, "wants 1 GPU"),
    ):
        with pytest.raises(InvalidRequestError, match=sentence):
            client.sft(
                **{"sft_name": "refused", **more},
                local_model_path="bundled",
                local_data_dir_path=ROWS,
                local_stage_path=str(tmp_path),
            )
    assert list(tmp_path.iterdir()) == []
    assert client.jobs() == []


def test_a_job_outlives_the_process_that_began_it(client: ByzerLLM, tmp_path: Path) -> None:
    program = (
        "from byzer_lab import ByzerLLM\n"
        f"job = ByzerLLM().train({COUNTING_JOB!r}, name='orphan', model_path='bundled', "
        f"path_prefix={str(tmp_path)!r}, parameters={{'steps': 30, 'step_s': 0.1}})\n"
        "job.wait(lambda record: print(record.step, flush=True))"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as kernel:
        assert kernel.stdout is not None
        wait_until(lambda: session().gateway.job("orphan").step > 0 if client.jobs() else False)
        os.kill(kernel.pid, signal.SIGKILL)
        kernel.wait()
        kernel.stdout.close()
    record = client.job("orphan").wait(timeout_s=60)
    assert (record.state, record.attempt, record.step) == ("completed", 1, 30)
