"""``deploy``, ``undeploy`` and ``scale``."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from byzer_lab.cli.options import (
    AsJson,
    Command,
    File,
    Model,
    ModelWord,
    RayAddress,
    pairs_of,
    setting_option,
    the_model,
    with_file,
)
from byzer_lab.cli.output import Progress, connected, print_json
from byzer_lab.deployment import SETTINGS
from byzer_lab.errors import from_wire
from byzer_lab.generation import PREFIXES
from byzer_lab.records import OperationRecord

app = typer.Typer()
OF_DEPLOY = ("model_path", "pretrained_model_type", "load_timeout_s")


def _setting(name: str, spelling: str = "") -> Any:
    return setting_option(SETTINGS[name], spelling)


@app.command(cls=Command)
def deploy(
    ctx: typer.Context,
    model_word: ModelWord = None,
    model: Model = None,
    model_path: Annotated[str | None, _setting("model_path")] = None,
    pretrained_model_type: Annotated[str | None, _setting("pretrained_model_type")] = None,
    infer_backend: Annotated[str | None, _setting("backend", "infer_backend")] = None,
    num_workers: Annotated[int | None, _setting("workers", "num_workers")] = None,
    worker_concurrency: Annotated[int | None, _setting("worker_concurrency")] = None,
    gpus_per_worker: Annotated[float | None, _setting("gpus_per_worker")] = None,
    cpus_per_worker: Annotated[float | None, _setting("cpus_per_worker")] = None,
    queue_limit: Annotated[int | None, _setting("queue_limit")] = None,
    load_balance: Annotated[str | None, _setting("load_balance")] = None,
    min_workers: Annotated[int | None, _setting("min_workers")] = None,
    max_workers: Annotated[int | None, _setting("max_workers")] = None,
    scale_down_after_s: Annotated[float | None, _setting("scale_down_after_s")] = None,
    load_timeout_s: Annotated[float | None, _setting("load_timeout_s")] = None,
    resource: Annotated[
        list[str] | None,
        typer.Option(help="NAME=X: amount of another Ray resource that a worker reserves."),
    ] = None,
    infer_params: Annotated[
        list[str] | None,
        typer.Option(
            "--infer_params",
            help="NAME=VALUE ...: parameters of the engine, and generation.NAME=VALUE. "
            "${NAME} refers to an environment variable.",
        ),
    ] = None,
    replace: Annotated[
        bool, typer.Option(help="Take down a deployment of that name that was made differently.")
    ] = False,
    file: File = None,
    ray_address: RayAddress = "auto",
    as_json: AsJson = False,
) -> None:
    """Deploy a model and wait until it is ready. Ctrl-C cancels, and nothing of it stays."""
    from byzer_lab.client.byzer_llm import ByzerLLM

    given = with_file(ctx, ctx.params)
    name = the_model(given["model_word"], given["model"])
    values = pairs_of(given["infer_params"], "--infer_params")
    generation = {key: value for key, value in values.items() if key.startswith(PREFIXES)}
    llm = ByzerLLM(given["ray_address"])
    for key in DEPLOY_OPTIONS:
        if given[key] is not None:
            llm.setup(SETTING_OF.get(key, key), given[key])
    for key, amount in pairs_of(given["resource"], "--resource").items():
        llm.setup(f"resource.{key}", amount)
    if generation:
        llm.setup_extra_generation_params(name, generation)
    arguments = {key: given[key] for key in OF_DEPLOY if given[key] is not None}
    changes: list[OperationRecord] = []
    with Progress() as progress:

        def follow(change: OperationRecord) -> None:
            changes.append(change)
            progress.operation(change)

        progress.step("connecting")
        meta = llm.deploy(
            udf_name=name,
            infer_params={key: v for key, v in values.items() if key not in generation},
            replace=given["replace"],
            progress=follow,
            **arguments,
        )
    there = len(changes) == 1 and changes[0].finished_at is not None
    if given["as_json"]:
        print_json({"model": name, "already_deployed": there, "meta": meta})
    else:
        typer.echo(f"Model {name} {'already deployed' if there else 'deployed successfully'}")


SETTING_OF = {"infer_backend": "backend", "num_workers": "workers"}
DEPLOY_OPTIONS = (
    "infer_backend",
    "num_workers",
    "worker_concurrency",
    "gpus_per_worker",
    "cpus_per_worker",
    "queue_limit",
    "load_balance",
    "min_workers",
    "max_workers",
    "scale_down_after_s",
)


@app.command(cls=Command)
def undeploy(
    ctx: typer.Context,
    model_word: ModelWord = None,
    model: Model = None,
    force: Annotated[bool, typer.Option("--force", help="Break running requests off.")] = False,
    file: File = None,
    ray_address: RayAddress = "auto",
) -> None:
    """Take a deployment down, once its running requests have their answers."""
    given = with_file(ctx, ctx.params)
    name = the_model(given["model_word"], given["model"])
    gateway = connected(given["ray_address"]).gateway
    with Progress() as progress:
        for change in gateway.watch(gateway.undeploy(name, force=given["force"])):
            progress.operation(change)
    if change.error:
        raise from_wire(change.error)
    typer.echo(f"Model {name} undeployed successfully")


@app.command(cls=Command)
def scale(
    ctx: typer.Context,
    model_word: ModelWord = None,
    model: Model = None,
    num_workers: Annotated[
        int | None, typer.Option("--num_workers", help="How many workers from now on.")
    ] = None,
    file: File = None,
    ray_address: RayAddress = "auto",
) -> None:
    """Change the number of a deployment's workers and wait until they are ready."""
    given = with_file(ctx, ctx.params)
    name = the_model(given["model_word"], given["model"])
    if given["num_workers"] is None:
        raise typer.BadParameter("say how many workers: --num_workers N.")
    gateway = connected(given["ray_address"]).gateway
    with Progress() as progress:
        for change in gateway.watch(gateway.scale(name, given["num_workers"])):
            progress.operation(change)
    if change.error:
        raise from_wire(change.error)
    typer.echo(f"Model {name} scaled to {given['num_workers']} workers")
