"""``list``, ``stat``, ``meta`` and ``logs``."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from byzer_lab.cli.options import (
    AsJson,
    Command,
    File,
    Model,
    ModelWord,
    RayAddress,
    the_model,
    with_file,
)
from byzer_lab.cli.output import connected, print_json, print_log, print_table
from byzer_lab.client.session import Session
from byzer_lab.errors import ModelNotFoundError
from byzer_lab.records import DeploymentRecord

app = typer.Typer()
DEPLOYMENT_COLUMNS = ("model", "state", "backend", "workers", "running", "waiting", "tokens/s")
WORKER_COLUMNS = ("worker", "state", "running", "waiting", "requests", "tokens/s", "MiB", "node")


def find(session: Session, name: str) -> DeploymentRecord:
    """A deployment.

    Raises:
        ModelNotFoundError: There is none of that name.
    """
    deployments = session.gateway.state().deployments
    for record in deployments:
        if record.spec.name == name:
            return record
    names = ", ".join(record.spec.name for record in deployments) or "none"
    raise ModelNotFoundError(f"There is no deployment {name!r}; there is: {names}.")


@app.command("list", cls=Command)
def list_deployments(ray_address: RayAddress = "auto", as_json: AsJson = False) -> None:
    """Every deployment."""
    deployments = connected(ray_address).gateway.state().deployments
    if as_json:
        print_json([_summary(record) for record in deployments])
    elif deployments:
        rows = [_summary(record).values() for record in deployments]
        print_table(DEPLOYMENT_COLUMNS, [list(row)[: len(DEPLOYMENT_COLUMNS)] for row in rows])
    else:
        typer.echo("Nothing is deployed; 'byzer-lab deploy' deploys a model.")


def _summary(record: DeploymentRecord) -> dict[str, Any]:
    loads = [worker.load for worker in record.workers]
    ready = sum(worker.state == "ready" for worker in record.workers)
    service = record.spec.pretrained_model_type.startswith("saas/")
    return {
        "model": record.spec.name,
        "state": record.state,
        "backend": record.spec.pretrained_model_type if service else record.spec.backend,
        "workers": f"{ready}/{record.spec.workers}",
        "running": sum(load.in_flight for load in loads),
        "waiting": sum(load.queued for load in loads),
        "tokens_per_second": round(sum(load.tokens_per_second for load in loads), 1),
        "model_path": record.spec.model_path,
        "pretrained_model_type": record.spec.pretrained_model_type,
        "error": (record.error or {}).get("message"),
    }


@app.command(cls=Command)
def stat(
    ctx: typer.Context,
    model_word: ModelWord = None,
    model: Model = None,
    interval: Annotated[
        int, typer.Option(help="Print again every so many seconds, until Ctrl-C.", min=0)
    ] = 0,
    file: File = None,
    ray_address: RayAddress = "auto",
    as_json: AsJson = False,
) -> None:
    """What the workers of a deployment are doing."""
    given = with_file(ctx, ctx.params)
    name = the_model(given["model_word"], given["model"])
    session = connected(given["ray_address"])
    while True:
        record = find(session, name)
        if given["as_json"]:
            print_json(_stat(record))
        else:
            print_table(WORKER_COLUMNS, _worker_rows(record))
        if not given["interval"]:
            return
        time.sleep(given["interval"])


def _stat(record: DeploymentRecord) -> dict[str, Any]:
    """With the names of Byzer-LLM's ``stat``, and what is known beside them."""
    workers = sorted(record.workers, key=lambda worker: worker.index)
    most = record.spec.worker_concurrency
    busy = sum(worker.load.in_flight > 0 for worker in workers)
    return {
        "model": record.spec.name,
        "state_of_deployment": record.state,
        "total_workers": len(workers),
        "busy_workers": busy,
        "idle_workers": len(workers) - busy,
        "load_balance_strategy": record.spec.load_balance,
        "total_requests": [worker.load.requests for worker in workers],
        "state": [max(0, most - worker.load.in_flight) for worker in workers],
        "worker_max_concurrency": most,
        "queue_limit": record.spec.queue_limit,
        "replaced_workers": record.replaced,
        "worker_state": [
            {
                "index": worker.index,
                "active_task": worker.load.in_flight,
                "waiting": worker.load.queued,
                "ready": worker.state == "ready",
                "state": worker.state,
                "tokens_per_second": round(worker.load.tokens_per_second, 1),
                "memory_mb": round(worker.load.memory_mb, 1),
                "node": worker.node,
                "pid": worker.pid,
            }
            for worker in workers
        ],
    }


def _worker_rows(record: DeploymentRecord) -> list[list[Any]]:
    return [
        [
            worker.index,
            worker.state,
            worker.load.in_flight,
            worker.load.queued,
            worker.load.requests,
            f"{worker.load.tokens_per_second:.1f}",
            f"{worker.load.memory_mb:.0f}",
            worker.node,
        ]
        for worker in sorted(record.workers, key=lambda one: one.index)
    ]


@app.command(cls=Command)
def meta(
    model_word: ModelWord = None,
    model: Model = None,
    ray_address: RayAddress = "auto",
    as_json: AsJson = False,
) -> None:
    """What the engine says of a deployed model."""
    found = find(connected(ray_address), the_model(model_word, model)).meta
    if as_json:
        print_json(found)
    else:
        print_table(("name", "value"), found.items())


@app.command(cls=Command)
def logs(
    model_word: ModelWord = None,
    model: Model = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="So many last lines.", min=0)] = 100,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    ray_address: RayAddress = "auto",
    as_json: AsJson = False,
) -> None:
    """What the workers of a deployment wrote; secrets are not in it."""
    name = the_model(model_word, model)
    gateway = connected(ray_address).gateway
    print_log(
        lambda after, wait_s: gateway.log(name, after=after, wait=wait_s),
        lambda line: f"{line.worker}  {line.text}",
        lines=lines,
        follow=follow,
        as_json=as_json,
    )
