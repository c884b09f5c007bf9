"""``up``, ``down`` and ``status``."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer

from byzer_lab.cli.options import AsJson, Command
from byzer_lab.cli.output import NOT_RUNNING, Progress, print_json

app = typer.Typer()


@app.command(cls=Command)
def up(
    ray_address: Annotated[
        str, typer.Option("--ray_address", help="Run on this Ray cluster.")
    ] = "",
    port: Annotated[int | None, typer.Option(help="Port of the gateway.")] = None,
) -> None:
    """Start Byzer Lab on this machine, or find the one that runs."""
    from byzer_lab.cluster.launch import start_cluster

    with Progress() as progress:
        runtime = start_cluster(ray_address or None, port, progress.step)
    typer.echo(f"Byzer Lab is up at {runtime.url}")


@app.command(cls=Command)
def down() -> None:
    """Stop it. Deployments come back at the next start."""
    from byzer_lab.cluster.launch import stop_cluster

    typer.echo("Byzer Lab is down." if stop_cluster() else "Byzer Lab was not running.")


@app.command(cls=Command)
def status(as_json: AsJson = False) -> None:
    """Tell whether it runs and what is deployed; exit code 3 when it doesn't run."""
    from byzer_lab.client.session import existing_session

    session = existing_session()
    if session is None:
        if as_json:
            print_json({"running": False})
        else:
            typer.echo("Byzer Lab is not running; 'byzer-lab up' starts it.")
        raise typer.Exit(NOT_RUNNING)
    state = session.gateway.state()
    cluster = state.cluster
    if as_json:
        facts = {"running": True, "url": session.runtime.url, **msgspec.to_builtins(cluster)}
        facts["deployments"] = {record.spec.name: record.state for record in state.deployments}
        print_json(facts)
        return
    typer.echo(
        f"Byzer Lab is up at {session.runtime.url}: "
        f"{cluster.nodes} {'node' if cluster.nodes == 1 else 'nodes'}, "
        f"{cluster.cpus.used:g} of {cluster.cpus.total:g} CPUs and "
        f"{cluster.gpus.used:g} of {cluster.gpus.total:g} GPUs reserved."
    )
    for record in state.deployments:
        ready = sum(worker.state == "ready" for worker in record.workers)
        typer.echo(
            f"  {record.spec.name}: {record.state}, {record.spec.backend}, "
            f"{ready} of {record.spec.workers} workers ready"
        )
