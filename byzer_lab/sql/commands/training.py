"""``run command as LLM`` where a model is trained, merged or converted, and ``!byzerllm job``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec
import pyarrow as pa

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.training.job import MODEL_ARTEFACTS, Job
from byzer_lab.client.training.keys import Reserved, kind_of, spec_of
from byzer_lab.errors import InvalidRequestError, from_wire
from byzer_lab.jobs import ENDED, JobRecord, JobSpec
from byzer_lab.sql.commands.session import SqlSession

Watching = Callable[[Iterable[JobRecord]], None]
"""Shows a job while it runs: given each change of it, the last one is its end."""

FINAL = "finetune_model/final"
"""Of a job's folder: where its model lies in the end."""
JOB_ACTIONS = ("stop", "cancel", "resume", "delete", "log")
_COMMAND = "command"
"""The table that is always there and empty."""
_SETUP = {
    "num_gpus": "num_gpus",
    "num_cpus": "num_cpus",
    "gpus_per_worker": "gpus_per_worker",
    "gpusPerWorker": "gpus_per_worker",
    "cpus_per_worker": "cpus_per_worker",
    "cpusPerWorker": "cpus_per_worker",
    "maxConcurrency": "workers",
    "num_workers": "workers",
    "workers": "workers",
}
"""Keys of ``!byzerllm setup`` that say what a training reserves."""
_TOGETHER = ("sft", "sfft", "dpo")


def train(session: SqlSession, options: Mapping[str, str], watch: Watching) -> pa.Table:
    """Begin a training, merge or conversion; with ``detached="false"`` also wait for its end.

    Args:
        session: Has the table of the rows.
        options: Filled.
        watch: Shows how it goes where it is waited for.

    Returns:
        One row about the job; also the table that ``outputTable`` names.

    Raises:
        InvalidRequestError: An option is missing or wrong; nothing was begun.
        ByzerLabError: The job failed, where it was waited for.
    """
    action = options.get("action") or "finetune"
    family = options.get("pretrainedModelType", "")
    if not family:
        raise InvalidRequestError(
            'pretrainedModelType is missing; write: and pretrainedModelType="sft/auto".'
        )
    kind = kind_of(action, family)
    detached = _truth(options, "detached", "true" if kind in _TOGETHER else "false")
    llm = ByzerLLM()
    spec = _reserving(
        llm, session, spec_of(kind, {k: v for k, v in options.items() if v}, Reserved())
    )
    data, parts = _rows(session, options.get("inputTable", ""), spec)
    job = llm.begin(spec, data, parts=parts, replace=_truth(options, "replace", "false"))
    if not detached:
        changes = list(_watched(job, watch))
        if changes and changes[-1].error:
            raise from_wire(changes[-1].error)
    table = _table([job.record])
    if output := options.get("outputTable", ""):
        made = session.tables.fresh(output)
        session.engine.register(made, table)
        session.tables.put(output, made)
    return table


def _watched(job: Job, watch: Watching) -> list[JobRecord]:
    last: list[JobRecord] = []

    def told() -> Iterable[JobRecord]:
        for record in job.changes():
            last[:] = [record]
            yield record

    watch(told())
    return last


def _rows(session: SqlSession, name: str, spec: JobSpec) -> tuple[pa.Table | None, int]:
    """Rows of the input table and in how many parts they are; none where a path names them."""
    if not name or (name == _COMMAND and spec.data_path):
        return None, 0
    if spec.kind not in ("sft", "dpo", "sfft", "evaluate"):
        return None, 0
    table = session.tables.find(name)
    parts = session.partitions.get(table, spec.workers) if spec.kind == "sfft" else 0
    return session.engine.query(session.all_of(table)), parts


def _reserving(llm: ByzerLLM, session: SqlSession, spec: JobSpec) -> JobSpec:
    """With what ``!byzerllm setup`` reserves. A GPU is reserved where it says nothing and there is
    one; where it wants GPUs and the cluster has none at all, processors train, and that is said."""
    given = {_SETUP[key]: value for key, value in session.setup.items() if key in _SETUP}
    resources = {
        key.removeprefix("resource."): float(value)
        for key, value in session.setup.items()
        if key.startswith("resource.")
    }
    reserved = Reserved(
        workers=int(given["workers"]) if "workers" in given else None,
        num_gpus=float(given.get("num_gpus", 0)),
        num_cpus=float(given.get("num_cpus", 0)),
        gpus_per_worker=_number(given.get("gpus_per_worker")),
        cpus_per_worker=_number(given.get("cpus_per_worker")),
        resources=resources,
    )
    notes: list[str] = []
    cluster = llm._session.gateway.state().cluster
    if spec.kind in _TOGETHER and not ({"num_gpus", "gpus_per_worker"} & given.keys()):
        reserved.num_gpus = 1.0 if cluster.gpus.total >= 1 else 0.0
    elif reserved.num_gpus and not cluster.gpus.total:
        most = reserved.num_gpus if spec.kind == "sfft" else 1
        reserved.workers = reserved.workers or int(max(1, min(most, cluster.cpus.total)))
        processes = "1 process trains" if reserved.workers == 1 else f"{reserved.workers} train"
        notes.append(
            f"num_gpus is {reserved.num_gpus:g}, but the cluster has no GPU: {processes} on its "
            "processors."
        )
        reserved.num_gpus = 0.0
    return msgspec.structs.replace(spec, notes=notes, **reserved.fields(spec.kind))


def job_command(arguments: Sequence[str]) -> pa.Table | None:
    """``!byzerllm jobs`` and ``!byzerllm job ...``; ``None`` where it is another command.

    Raises:
        ByzerLabError: There is no such job, or it can't be done now.
    """
    llm = ByzerLLM()
    match list(arguments):
        case ["jobs"] | ["job", "list"]:
            return _table([job.record for job in llm.jobs()])
        case ["job", "log", name]:
            lines = llm._session.gateway.job_log(name, after=-1000)
            return pa.table({"line": pa.array([line.text for line in lines], pa.string())})
        case ["job", "stop", name]:
            return _table([llm.job(name).stop()])
        case ["job", "cancel", name]:
            return _table([llm.job(name).cancel()])
        case ["job", "resume", name]:
            return _table([llm.job(name).resume()])
        case ["job", "delete", name]:
            llm.job(name).delete()
            return pa.table({"value": [name]})
        case ["job", name] if name not in JOB_ACTIONS:
            return _table([llm.job(name).record])
    return None


def stop_of(name: str) -> bool:
    """Stop a job of that name; false where none goes on."""
    llm = ByzerLLM()
    going = [job for job in llm.jobs() if job.name == name and job.record.state not in ENDED]
    for job in going:
        job.stop()
    return bool(going)


def _table(records: Sequence[JobRecord]) -> pa.Table:
    columns = {
        "name": [r.spec.name for r in records],
        "kind": [r.spec.kind for r in records],
        "state": [r.state for r in records],
        "step": [r.step for r in records],
        "total_steps": [r.total_steps for r in records],
        "loss": pa.array([r.point.loss for r in records], pa.float64()),
        "folder": [r.spec.folder for r in records],
        "path": [_path(r) for r in records],
        "result": [json.dumps(r.result, ensure_ascii=False) if r.result else None for r in records],
        "error": pa.array([(r.error or {}).get("message") for r in records], pa.string()),
    }
    return pa.table({name: _typed(name, values) for name, values in columns.items()})


def _typed(name: str, values: object) -> pa.Array:
    if isinstance(values, pa.Array):
        return values
    return pa.array(values, pa.int64() if name in ("step", "total_steps") else pa.string())


def _path(record: JobRecord) -> str:
    """Where its model lies, or will lie."""
    made = [record.artefacts[name] for name in MODEL_ARTEFACTS if name in record.artefacts]
    given = record.spec.parameters.get("savePath") or record.spec.parameters.get("save_path")
    return made[0] if made else str(given or f"{record.spec.folder}/{FINAL}")


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _truth(options: Mapping[str, str], name: str, default: str) -> bool:
    word = (options.get(name) or default).lower()
    if word not in ("true", "false"):
        raise InvalidRequestError(f"{name} is {options[name]!r}; it must be true or false.")
    return word == "true"
