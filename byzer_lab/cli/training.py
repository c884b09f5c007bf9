"""``train`` and ``jobs``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from byzer_lab.cli.options import AsJson, Command, File, RayAddress, pairs_of, with_file
from byzer_lab.cli.output import Progress, connected, print_json, print_log, print_table
from byzer_lab.jobs import ENDED, KINDS, JobRecord

if TYPE_CHECKING:
    from byzer_lab.client.training.job import Job

app = typer.Typer()
jobs = typer.Typer(no_args_is_help=True)
COLUMNS = ("job", "kind", "state", "step", "loss", "tokens/s", "attempt", "left")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The job's name.", show_default=False)]


@app.command(cls=Command)
def train(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Option(help=f"{', '.join(KINDS)}, or module:function of your own.")
    ] = "sft",
    job: Annotated[
        str, typer.Option("--job", help="Its name; by default one with the time in it.")
    ] = "",
    model_path: Annotated[
        str, typer.Option("--model_path", help="A local folder, a hub id, or 'bundled'.")
    ] = "",
    data: Annotated[str, typer.Option(help="File or folder of the rows.")] = "",
    params: Annotated[
        list[str] | None,
        typer.Option(
            "--params",
            help="NAME=VALUE ...: parameters of the kind (docs/training.md). ${NAME} refers to an "
            "environment variable.",
        ),
    ] = None,
    pretrained_model_type: Annotated[
        str, typer.Option("--pretrained_model_type", help="The model's family.")
    ] = "sft/auto",
    path_prefix: Annotated[
        str, typer.Option("--path_prefix", help="Where the job has its folder.")
    ] = "",
    num_gpus: Annotated[
        float, typer.Option("--num_gpus", help="GPUs in all; each has a process of its own.")
    ] = 0.0,
    num_cpus: Annotated[float, typer.Option("--num_cpus", help="CPUs in all.")] = 0.0,
    num_workers: Annotated[
        int | None, typer.Option("--num_workers", help="Processes that train together.")
    ] = None,
    max_attempts: Annotated[
        int,
        typer.Option("--max_attempts", help="Attempts in a row that may get no further."),
    ] = 5,
    replace: Annotated[
        bool, typer.Option(help="Forget a job of that name that has ended.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait for the end; Ctrl-C leaves the job running.")
    ] = False,
    file: File = None,
    ray_address: RayAddress = "auto",
    as_json: AsJson = False,
) -> None:
    """Begin a training, merge or conversion. It goes on without this command."""
    from byzer_lab.client.byzer_llm import ByzerLLM

    given = with_file(ctx, ctx.params)
    begun = ByzerLLM(given["ray_address"]).train(
        given["kind"],
        name=given["job"],
        model_path=given["model_path"],
        data=given["data"] or None,
        parameters=pairs_of(given["params"], "--params"),
        model_type=given["pretrained_model_type"],
        path_prefix=given["path_prefix"],
        workers=given["num_workers"],
        num_gpus=given["num_gpus"],
        num_cpus=given["num_cpus"],
        max_attempts=given["max_attempts"],
        replace=given["replace"],
    )
    record = _watched(begun) if given["wait"] else begun.record
    if given["as_json"]:
        _print(record)
    elif given["wait"]:
        typer.echo(f"Job {begun.name} {record.state}: {begun.path or begun.folder}")
    else:
        typer.echo(f"Job {begun.name} began in {begun.folder}")


def _watched(job: Job) -> JobRecord:
    with Progress() as progress:
        return job.wait(lambda record: progress.step(_words(record), _share(record)))


def _words(record: JobRecord) -> str:
    loss = "" if record.point.loss is None else f", loss {record.point.loss:.4g}"
    steps = f"step {record.step} of {record.total_steps}{loss}" if record.total_steps else ""
    return f"{record.spec.name}: {steps or record.phase or record.state}"


def _share(record: JobRecord) -> float | None:
    return record.step / record.total_steps if record.total_steps else record.progress


@jobs.command("list", cls=Command)
def list_jobs(ray_address: RayAddress = "auto", as_json: AsJson = False) -> None:
    """Every job, the newest first."""
    records = connected(ray_address).gateway.state().jobs
    records.sort(key=lambda record: -record.created_at)
    if as_json:
        print_json([_plain(record) for record in records])
    elif records:
        print_table(COLUMNS, [_row(record) for record in records])
    else:
        typer.echo("There is no job; 'byzer-lab train' begins one.")


def _row(record: JobRecord) -> list[Any]:
    point = record.point
    return [
        record.spec.name,
        record.spec.kind,
        record.state,
        f"{record.step}/{record.total_steps}" if record.total_steps else "",
        "" if point.loss is None else f"{point.loss:.4g}",
        f"{point.tokens_per_second:.0f}" if point.tokens_per_second else "",
        record.attempt,
        "" if record.eta_s is None else f"{record.eta_s:.0f} s",
    ]


@jobs.command(cls=Command)
def show(name: Name, ray_address: RayAddress = "auto", as_json: AsJson = False) -> None:
    """All about one job."""
    record = connected(ray_address).gateway.job(name)
    if as_json:
        _print(record)
    else:
        print_table(("name", "value"), _flat(_plain(record)).items())


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


@jobs.command(cls=Command)
def log(
    name: Name,
    lines: Annotated[int, typer.Option("--lines", "-n", help="So many last lines.", min=0)] = 100,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the job ends, or Ctrl-C.")
    ] = False,
    ray_address: RayAddress = "auto",
    as_json: AsJson = False,
) -> None:
    """What a job wrote; secrets are not in it."""
    gateway = connected(ray_address).gateway
    print_log(
        lambda after, wait_s: gateway.job_log(name, after=after, wait=wait_s),
        lambda line: f" {line.text}",
        lines=lines,
        follow=follow,
        as_json=as_json,
        ended=lambda: gateway.job(name).state in ENDED,
    )


@jobs.command(cls=Command)
def points(name: Name, ray_address: RayAddress = "auto", as_json: AsJson = False) -> None:
    """The curves of a job."""
    import msgspec

    found = [msgspec.to_builtins(p) for p in connected(ray_address).gateway.job_points(name)]
    if as_json:
        print_json(found)
    else:
        columns = ("step", "epoch", "loss", "eval_loss", "learning_rate", "tokens_per_second")
        print_table(columns, [[point.get(column, "") for column in columns] for point in found])


@jobs.command(cls=Command)
def stop(name: Name, ray_address: RayAddress = "auto") -> None:
    """Let a job save what it has and end."""
    typer.echo(f"Job {name} {connected(ray_address).gateway.stop_job(name).state}")


@jobs.command(cls=Command)
def cancel(name: Name, ray_address: RayAddress = "auto") -> None:
    """End a job; what takes no notice for 20 s is killed."""
    typer.echo(f"Job {name} {connected(ray_address).gateway.cancel_job(name).state}")


@jobs.command(cls=Command)
def resume(name: Name, ray_address: RayAddress = "auto") -> None:
    """Let a job that has ended go on from its newest checkpoint."""
    record = connected(ray_address).gateway.resume_job(name)
    typer.echo(f"Job {name} goes on, attempt {record.attempt}")


@jobs.command(cls=Command)
def wait(name: Name, ray_address: RayAddress = "auto", as_json: AsJson = False) -> None:
    """Wait until a job has ended; Ctrl-C leaves it running."""
    from byzer_lab.client.byzer_llm import ByzerLLM

    job = ByzerLLM(ray_address).job(name)
    record = _watched(job)
    if as_json:
        _print(record)
    else:
        typer.echo(f"Job {name} {record.state}: {job.path or job.folder}")


@jobs.command(cls=Command)
def deploy(
    name: Name,
    model: Annotated[str, typer.Option("--model", help="Name of the deployment.")] = "",
    ray_address: RayAddress = "auto",
) -> None:
    """Deploy the model that a job made."""
    from byzer_lab.client.byzer_llm import ByzerLLM

    with Progress() as progress:
        ByzerLLM(ray_address).job(name).deploy(model, progress=progress.operation)
    typer.echo(f"Model {model or name} deployed successfully")


@jobs.command(cls=Command)
def delete(
    name: Name,
    files: Annotated[bool, typer.Option("--files", help="Delete its folder too.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Where it has not ended, end it at once.")
    ] = False,
    ray_address: RayAddress = "auto",
) -> None:
    """Forget a job: its record, its curves and its log."""
    connected(ray_address).gateway.delete_job(name, files=files, force=force)
    typer.echo(f"Job {name} deleted")


def _plain(record: JobRecord) -> dict[str, Any]:
    import msgspec

    plain: dict[str, Any] = msgspec.to_builtins(record)
    return {"name": record.spec.name, "state": record.state, **plain}


def _print(record: JobRecord) -> None:
    print_json(_plain(record))
