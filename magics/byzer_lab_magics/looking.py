"""``%llm_list``, ``%llm_meta``, ``%llm_logs``, ``%llm_status``."""

from __future__ import annotations

import time
from typing import Any

from byzer_lab.errors import NotReadyError
from byzer_lab.records import DeploymentRecord
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.connection import NO_CLUSTER, connect, find, running_session
from byzer_lab_magics.options import Option, Positional
from byzer_lab_magics.show import say
from byzer_lab_magics.table import Facts, Table

LIST = Arguments("llm_list", "Show the deployments.", ["%llm_list"], [], [])

COLUMNS = ["name", "state", "backend", "model", "workers", "in flight", "queued", "tokens/s"]


def list_deployments(shell: Any, options: dict[str, Any], body: str) -> Table:
    """Run ``%llm_list``."""
    session = running_session()
    if session is None:
        return Table(COLUMNS, [], NO_CLUSTER)
    records = session.gateway.state().deployments
    empty = "Nothing is deployed; %llm_deploy NAME --model_path PATH deploys a model."
    return Table(COLUMNS, [_row(record) for record in records], empty)


def _row(record: DeploymentRecord) -> list[Any]:
    spec = record.spec
    ready = sum(worker.state == "ready" for worker in record.workers)
    loads = [worker.load for worker in record.workers]
    return [
        spec.name,
        record.state,
        spec.backend,
        spec.model_path or record.meta.get("model_name") or spec.pretrained_model_type,
        f"{ready}/{spec.workers}",
        sum(load.in_flight for load in loads),
        sum(load.queued for load in loads),
        round(sum(load.tokens_per_second for load in loads), 1),
    ]


META = Arguments(
    "llm_meta",
    "Show what the engine says of a deployed model; the value is a dict.",
    ["%llm_meta NAME"],
    [Positional("name", "name of the deployment", deployment=True)],
    [],
)


def meta(shell: Any, options: dict[str, Any], body: str) -> Facts:
    """Run ``%llm_meta``."""
    record = find(connect(shell).gateway.state(), options["name"])
    if not record.meta:
        name = record.spec.name
        raise NotReadyError(f"{name!r} is {record.state}; its meta is known once it is ready.")
    return Facts(record.meta)


LOGS = Arguments(
    "llm_logs",
    "Print the last lines that a deployment's workers wrote.",
    ["%llm_logs NAME [-n LINES]"],
    [Positional("name", "name of the deployment", deployment=True)],
    [Option("lines", "how many", "integer", 50, short="n")],
)


def logs(shell: Any, options: dict[str, Any], body: str) -> None:
    """Run ``%llm_logs``."""
    from IPython.core.error import UsageError

    wanted = options["lines"]
    if wanted < 1:
        raise UsageError(f"%llm_logs: --lines is {wanted}; it must be at least 1.")
    lines = connect(shell).gateway.log(options["name"], after=-wanted, limit=wanted)
    if not lines:
        say(shell, f"{options['name']} has written nothing yet.")
    several = len({line.worker for line in lines}) > 1
    for line in lines:
        clock = time.strftime("%H:%M:%S", time.localtime(line.time))
        worker = f" [{line.worker}]" if several else ""
        print(f"{clock}{worker} {line.text}")


STATUS = Arguments("llm_status", "Show the cluster.", ["%llm_status"], [], [])


def status(shell: Any, options: dict[str, Any], body: str) -> Facts | None:
    """Run ``%llm_status``."""
    session = running_session()
    if session is None:
        say(shell, NO_CLUSTER)
        return None
    snapshot = session.gateway.state()
    cluster = snapshot.cluster
    states = [record.state for record in snapshot.deployments]
    counted = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    return Facts(
        {
            "gateway": session.runtime.url,
            "ray": cluster.address,
            "nodes": cluster.nodes,
            "cpus": f"{cluster.cpus.used:g} of {cluster.cpus.total:g} reserved",
            "gpus": f"{cluster.gpus.used:g} of {cluster.gpus.total:g} reserved",
            "deployments": counted or "none",
        }
    )
