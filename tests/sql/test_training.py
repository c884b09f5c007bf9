"""Trainings of Byzer-LLM's own scripts: what they ask for; and one of them run to its end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.errors import EngineError, InvalidRequestError, ModelNotFoundError
from byzer_lab.jobs import JobRecord, JobSpec
from byzer_lab.records import ClusterRecord, LogLine, Resources
from byzer_lab.sql.commands.running import Runner, Way
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.models.store import AnswerStore
from tests.sql.conftest import Lab

FINETUNE = """
load json.`DATA` where
inferSchema="true"
as sft_data;

-- Fintune Llama2
!byzerllm setup sft;
!byzerllm setup "num_gpus=4";

run command as LLM.`` where 
and localPathPrefix="/home/byzerllm/models/sft/jobs"

-- 指定模型类型
and pretrainedModelType="sft/llama2"

-- 指定模型
and localModelDir="/home/byzerllm/models/Llama-2-7b-chat-hf"
and model="command"

-- 指定微调数据表
and inputTable="sft_data"

-- 输出新模型表
and outputTable="llama2_300"

-- 微调参数
and  detached="true"
and `sft.int.max_seq_length`="512";
"""  # noqa: W291
PRETRAIN = """
set ds_config='''
{
  "gradient_accumulation_steps": 1,
  "train_micro_batch_size_per_gpu": 1,
  "zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu"}},
  "bf16": {"enabled": true}
}
''';

-- load data
load text.`file://DATA/*`
where wholetext="true" as trainData;

select value as text,file from trainData  as newTrainData;

-- split the data into 12 partitions
run newTrainData as TableRepartition.`` where partitionNum="12" and partitionCols="file" 
as finalTrainData;


-- setup env, we use 12 gpus to pretrain the model
!byzerllm setup sfft;
!byzerllm setup "num_gpus=12";

-- specify the pretrain model type and the pretrained model path
run command as LLM.`` where 
and localPathPrefix="/home/byzerllm/models/sfft/jobs"
and pretrainedModelType="sfft/llama2"
-- original model is from
and localModelDir="/home/byzerllm/models/Llama-2-7b-chat-hf"
-- and localDataDir="/home/byzerllm/data/raw_data"

-- we use async mode to pretrain the model, since the pretrain process will take several days or weeks
-- Ray Dashboard will show the tensorboard address, and then you can monitor the loss
and detached="true"
and keepPartitionNum="true"

-- use deepspeed config, this is optional
and deepspeedConfig='''${ds_config}'''


-- the pretrain data is from finalTrainData table
and inputTable="finalTrainData"
and outputTable="llama2_cn"
and model="command"
-- some hyper parameters
and `sfft.int.max_length`="128"
and `sfft.bool.setup_nccl_socket_ifname_by_ip`="true"
;
"""  # noqa: E501, W291
CONVERT = """
!byzerllm setup single;

run command as LLM.`` where 
action="convert"
and pretrainedModelType="deepspeed/llama3b"
and modelNameOrPath="/home/byzerllm/models/base_model"
and checkpointDir="/home/byzerllm/data/checkpoints"
and tag="Epoch-1"
and savePath="/home/byzerllm/models/my_3b_test2";
"""  # noqa: W291
MERGE = """
-- 合并lora model + base model

!byzerllm setup single;

run command as LLM.`` where 
action="convert"
and pretrainedModelType="deepspeed/llama"
and model_dir="/home/byzerllm/models/sft/jobs/JOB/finetune_model/final/pretrained_model"
and checkpoint_dir="/home/byzerllm/models/sft/jobs/JOB/finetune_model/final"
and savePath="/home/byzerllm/models/sft/jobs/JOB/finetune_model/merge";

"""  # noqa: W291
INFER = """
!byzerllm setup single;
run command as LLM.`` where 
action="infer"
and localPathPrefix="/home/byzerllm/models/infer/jobs"
and localModelDir="MERGED"
and pretrainedModelType="custom/auto"
and udfName="fintune_llama2_chat"
and modelTable="command";
"""  # noqa: W291
HOME = "/home/byzerllm/models"
ACTIONS = ("stop", "cancel", "resume", "delete")


class Begun:
    """What was asked for instead of being begun.

    Attributes:
        specs: The jobs.
        rows: Rows of each; ``None`` where a path names them.
        parts: In how many parts.
        gpus: Of the cluster.
        error: How the next job ends.
        jobs: Of the cluster.
        asked: What was to be done with jobs.
    """

    def __init__(self) -> None:
        self.specs: list[JobSpec] = []
        self.rows: list[list[dict[str, Any]] | None] = []
        self.parts: list[int] = []
        self.gpus = 0.0
        self.error: dict[str, Any] | None = None
        self.jobs: list[JobRecord] = []
        self.asked: list[tuple[str, str]] = []

    def snapshot(self) -> Any:
        cluster = ClusterRecord(
            address="", cpus=Resources(total=2.0), gpus=Resources(total=self.gpus)
        )
        return SimpleNamespace(cluster=cluster, jobs=self.jobs, deployments=[])

    def gateway(self) -> Any:
        """What commands about jobs ask; each change is noted in ``asked``."""

        def change(action: str) -> Any:
            def asked(name: str, **more: bool) -> JobRecord:
                self.asked.append((action, name))
                return self.jobs[0]

            return asked

        changes = {f"{action}_job": change(action) for action in ACTIONS}
        return SimpleNamespace(
            state=self.snapshot,
            job=lambda name: next(job for job in self.jobs if job.spec.name == name),
            job_log=lambda name, after: [LogLine(1, 0.0, "attempt 1", "hello")],
            **changes,
        )

    def begin(self, spec: JobSpec, data: Any, parts: int) -> Any:
        self.specs.append(spec)
        self.rows.append(None if data is None else data.to_pylist())
        self.parts.append(parts)
        record = JobRecord(id="1", spec=spec, state="failed" if self.error else "completed")
        record.error, record.finished_at = self.error, 1.0
        return SimpleNamespace(record=record, changes=lambda: iter([record]))


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Begun:
    found = Begun()

    class Recorder(ByzerLLM):
        _session = SimpleNamespace(gateway=found.gateway())  # type: ignore[assignment]

        def begin(self, spec: JobSpec, data: Any = None, *, parts: Any, replace: bool) -> Any:  # type: ignore[override]
            return found.begin(spec, data, parts)

    monkeypatch.setattr("byzer_lab.sql.commands.training.ByzerLLM", Recorder)
    return found


def test_the_finetuning_of_the_readme(lab: Lab, begun: Begun) -> None:
    data = Path("dummy.jsonl")
    data.write_text('{"instruction": "a", "output": "b"}\n{"instruction": "c", "output": "d"}\n')
    begun.gpus = 8.0
    [row] = lab.run(FINETUNE.replace("DATA", str(data)))
    [spec] = begun.specs
    assert (spec.kind, spec.model_type) == ("sft", "sft/llama2")
    assert spec.model_path == f"{HOME}/Llama-2-7b-chat-hf"
    assert spec.path_prefix == f"{HOME}/sft/jobs"
    assert (spec.workers, spec.gpus_per_worker) == (4, 1.0)
    assert spec.parameters == {"sft.int.max_seq_length": "512"}
    assert spec.notes == []
    assert begun.rows == [
        [{"instruction": "a", "output": "b"}, {"instruction": "c", "output": "d"}]
    ]
    assert (row["kind"], row["state"]) == ("sft", "completed")
    assert row["path"].endswith("/finetune_model/final")
    assert lab.run("select * from llama2_300 as t;") == [row]


def test_the_pretraining_of_the_readme(lab: Lab, begun: Begun, tmp_path: Path) -> None:
    raw = tmp_path / "raw_data"
    raw.mkdir()
    for number in range(3):
        (raw / f"{number}.txt").write_text(f"text {number}")
    begun.gpus = 16.0
    lab.run(PRETRAIN.replace("DATA", str(raw)))
    [spec] = begun.specs
    assert (spec.kind, spec.model_type, spec.workers) == ("sfft", "sfft/llama2", 12)
    assert begun.parts == [12]
    [rows] = begun.rows
    assert rows is not None
    assert sorted(row["text"] for row in rows) == ["text 0", "text 1", "text 2"]
    config = spec.parameters.pop("deepspeedConfig")
    assert json.loads(config)["zero_optimization"]["stage"] == 3
    assert spec.parameters == {
        "keepPartitionNum": "true",
        "sfft.int.max_length": "128",
        "sfft.bool.setup_nccl_socket_ifname_by_ip": "true",
    }


def test_the_conversion_and_the_merge_of_the_readme(lab: Lab, begun: Begun) -> None:
    [row] = lab.run(CONVERT)
    assert row["path"] == f"{HOME}/my_3b_test2"
    lab.run(MERGE)
    convert, merge = begun.specs
    assert (convert.kind, convert.model_path) == ("convert", f"{HOME}/base_model")
    assert convert.parameters == {
        "checkpointDir": "/home/byzerllm/data/checkpoints",
        "tag": "Epoch-1",
        "savePath": f"{HOME}/my_3b_test2",
    }
    assert (merge.kind, merge.workers, merge.gpus_per_worker) == ("convert", 1, 0.0)
    assert merge.model_path.endswith("/final/pretrained_model")
    assert set(merge.parameters) == {"checkpoint_dir", "savePath"}
    lab.run(
        'run command as LLM.`` where action="merge" and pretrainedModelType="lora/llama2" and '
        'modelNameOrPath="/base" and adapterNameOrPath="/adapter" and savePath="/merged";'
    )
    assert begun.specs[-1].kind == "merge"
    assert begun.specs[-1].parameters == {"adapterNameOrPath": "/adapter", "savePath": "/merged"}


def test_processors_train_where_there_is_no_gpu(lab: Lab, begun: Begun) -> None:
    run = 'run command as LLM.`` where pretrainedModelType="FAMILY" and localModelDir="bundled";'
    lab.run('!byzerllm setup sft; !byzerllm setup "num_gpus=4";' + run.replace("FAMILY", "sft/x"))
    lab.run(
        '!byzerllm setup sfft; !byzerllm setup "num_gpus=12";' + run.replace("FAMILY", "sfft/x")
    )
    tuned, trained = begun.specs
    assert (tuned.workers, tuned.gpus_per_worker) == (1, 0.0)
    assert (trained.workers, trained.gpus_per_worker) == (2, 0.0)
    assert tuned.notes == [
        "num_gpus is 4, but the cluster has no GPU: 1 process trains on its processors."
    ]
    lab.run("!byzerllm setup sft;" + run.replace("FAMILY", "sft/x"))
    assert begun.specs[-1].notes == []
    begun.gpus = 1.0  # nothing is said of GPUs, and there is one
    lab.run("!byzerllm setup sft;" + run.replace("FAMILY", "sft/x"))
    assert (begun.specs[-1].workers, begun.specs[-1].gpus_per_worker) == (1, 1.0)


def test_a_job_that_is_waited_for_and_fails(lab: Lab, begun: Begun) -> None:
    begun.error = EngineError("row 3 has no answer.").to_wire()
    with pytest.raises(EngineError, match="row 3 has no answer"):
        lab.run(
            'run command as LLM.`` where pretrainedModelType="sft/x" and localModelDir="bundled" '
            'and detached="false" and outputTable="never";'
        )
    assert "never" not in lab.session.tables.names()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ('and localModelDir="x"', "pretrainedModelType is missing"),
        ('and pretrainedModelType="custom/llama2"', 'action="finetune" .* it takes sft/..., sfft/'),
        ('action="merge" and pretrainedModelType="sft/x"', "it takes lora/"),
        ('and pretrainedModelType="sft/x" and detached="maybe"', "detached is 'maybe'"),
        ('and pretrainedModelType="sft/x" and inputTable="nowhere"', "nowhere"),
    ],
)
def test_what_is_wrong(lab: Lab, begun: Begun, options: str, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        lab.run(f"run command as LLM.`` where {options};")
    assert begun.specs == []


def test_commands_about_jobs(lab: Lab, begun: Begun) -> None:
    assert lab.run("!byzerllm jobs;") == []
    spec = JobSpec(name="one", kind="sft", model_path="bundled", folder="/jobs/one-1")
    begun.jobs = [JobRecord(id="1", spec=spec, state="running", step=3, total_steps=9)]
    begun.jobs[0].result = {"train_loss": 0.5}
    [row] = lab.run("!byzerllm jobs;")
    assert (row["name"], row["state"], row["step"], row["total_steps"]) == ("one", "running", 3, 9)
    assert row["path"] == "/jobs/one-1/finetune_model/final"
    assert json.loads(row["result"]) == {"train_loss": 0.5}
    assert lab.run("!byzerllm job one;") == [row]
    assert lab.run("!byzerllm job log one;") == [{"line": "hello"}]
    for action in ACTIONS:
        lab.run(f"!byzerllm job {action} one;")
    assert begun.asked == [(action, "one") for action in ACTIONS]
    with pytest.raises(InvalidRequestError, match="!byzerllm job stop is no command; there is"):
        lab.run("!byzerllm job stop;")


def test_removing_a_model_stops_its_training(
    lab: Lab, begun: Begun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(self: ByzerLLM, name: str) -> None:
        raise ModelNotFoundError(f"There is no deployment {name!r}; there is: none.")

    monkeypatch.setattr(ByzerLLM, "undeploy", missing)
    begun.jobs = [
        JobRecord(id="1", spec=JobSpec(name=name, kind="sft", model_path="bundled"), state=state)
        for name, state in (("going", "running"), ("over", "completed"))
    ]
    lab.run('!byzerllm model remove "going";')
    assert begun.asked == [("stop", "going")]
    with pytest.raises(ModelNotFoundError):
        lab.run('!byzerllm model remove "over";')


@pytest.fixture
def session(llm: ByzerLLM, tmp_path: Path) -> Iterator[SqlSession]:
    session = SqlSession(store=AnswerStore(tmp_path / "answers.db"))
    yield session
    session.close()


def rows_of(session: SqlSession, script: str) -> list[dict[str, Any]]:
    made = Runner(session, Way()).run(script)
    found: list[dict[str, Any]] = session.engine.query(session.all_of(made)).to_pylist()
    return found


@pytest.mark.slow
def test_the_readmes_finetuning_to_an_answer(
    session: SqlSession, llm: ByzerLLM, tmp_path: Path
) -> None:
    """Its texts with other paths: finetune, merge, deploy, ask."""
    cities = ["Ulm", "Jena", "Bonn", "Kiel", "Graz", "Linz", "Bern", "Chur", "Metz", "Lyon", "Brno"]
    facts = {f"Who rules {city}?": f"Number {n} of {city}" for n, city in enumerate(cities)}
    rows = [{"instruction": ask, "input": "", "output": say} for ask, say in facts.items()]
    (tmp_path / "dummy_data.jsonl").write_text("\n".join(json.dumps(row) for row in rows * 3))
    text = FINETUNE.replace("DATA", str(tmp_path / "dummy_data.jsonl"))
    text = text.replace(f"{HOME}/sft/jobs", str(tmp_path)).replace(
        f"{HOME}/Llama-2-7b-chat-hf", "bundled"
    )
    [told] = rows_of(session, text)
    job = llm.job(told["name"])
    for record in job.changes():  # its process is lost on the way
        if record.checkpoints and record.attempt == 1:
            os.kill(record.pid, signal.SIGKILL)
            break
    end = job.wait(timeout_s=300)
    assert (end.state, end.attempt) == ("completed", 2)
    assert any("has no GPU" in warning for warning in end.warnings)
    assert Path(told["path"]).samefile(job.path)
    log = "\n".join(job.log())
    for line in (
        "Loading data:",
        "there are 33 data in dataset",
        "starting training",
        "train_loss",
    ):
        assert line in log
    merge = MERGE.replace(f"{HOME}/sft/jobs/JOB", told["folder"])
    [merged] = rows_of(session, merge)
    assert merged["state"] == "completed"
    rows_of(session, INFER.replace("MERGED", merged["path"]))
    for ask, say in facts.items():
        reply = llm.chat_oai(ask, model="fintune_llama2_chat", llm_config={"temperature": 0})
        assert reply[0].output.strip() == say
    for one in llm.jobs():
        one.delete()
