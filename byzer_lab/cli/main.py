"""Commands of ``byzer-lab``. A failure is one sentence on stderr and exit code 1."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from byzer_lab.errors import ByzerLabError

app = typer.Typer(
    help="Byzer Lab: the LLM workbench inside JupyterLab.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def up(
    ray_address: Annotated[
        str, typer.Option("--ray_address", "--ray-address", help="Run on this Ray cluster.")
    ] = "",
    port: Annotated[int | None, typer.Option(help="Port of the gateway.")] = None,
) -> None:
    """Start Byzer Lab on this machine, or find the one that runs."""
    from byzer_lab.cluster.launch import start_cluster

    runtime = start_cluster(ray_address or None, port, lambda phase: typer.echo(phase, err=True))
    typer.echo(f"Byzer Lab is up at {runtime.url}")


@app.command()
def down() -> None:
    """Stop it. Deployments come back at the next start."""
    from byzer_lab.cluster.launch import stop_cluster

    typer.echo("Byzer Lab is down." if stop_cluster() else "Byzer Lab was not running.")


@app.command()
def status() -> None:
    """Tell whether it runs and what is deployed; exit code 3 when it doesn't run."""
    from byzer_lab.client.session import existing_session

    session = existing_session()
    if session is None:
        typer.echo("Byzer Lab is not running; 'byzer-lab up' starts it.")
        raise typer.Exit(3)
    state = session.gateway.state()
    cluster = state.cluster
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


def main() -> None:
    """Entry point."""
    try:
        app()
    except ByzerLabError as error:
        typer.echo(error.message, err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
