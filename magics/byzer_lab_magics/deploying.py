"""``%%llm_deploy``, ``%llm_undeploy``, ``%llm_scale``."""

from __future__ import annotations

from typing import Any

import msgspec

from byzer_lab.engines import BACKENDS
from byzer_lab.records import DeploymentSpec
from byzer_lab.secrets import collect
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.connection import connect
from byzer_lab_magics.operations import follow
from byzer_lab_magics.options import Option, Positional
from byzer_lab_magics.parameters import parse_parameters
from byzer_lab_magics.show import say

_default = {field.name: field.default for field in msgspec.structs.fields(DeploymentSpec)}

DEPLOY = Arguments(
    "llm_deploy",
    "Deploy a model onto the cluster and wait until it is ready. An interrupt cancels.",
    [
        "%%llm_deploy NAME --model_path PATH [options]",
        "%llm_deploy NAME --model_path PATH [options]",
    ],
    [Positional("name", "name of the deployment, for %%prompt and all other faces")],
    [
        Option(
            "model_path",
            "a local folder, a hub id, or 'bundled'",
            metavar="PATH",
            required=True,
            values=("bundled",),
        ),
        Option(
            "pretrained_model_type",
            "the model's family; custom/auto detects it",
            default=_default["pretrained_model_type"],
            metavar="TYPE",
            values=("custom/auto",),
        ),
        Option(
            "backend",
            "the engine that runs it, or module:Class of your own",
            default=_default["backend"],
            metavar="NAME",
            values=tuple(sorted(BACKENDS)),
        ),
        Option("workers", "copies of the model", "integer", _default["workers"]),
        Option(
            "worker_concurrency",
            "requests that one worker answers at a time",
            "integer",
            _default["worker_concurrency"],
        ),
        Option(
            "queue_limit",
            "requests that may wait at one worker; more are refused",
            "integer",
            _default["queue_limit"],
        ),
        Option(
            "cpus_per_worker", "CPUs that a worker reserves", "number", _default["cpus_per_worker"]
        ),
        Option(
            "gpus_per_worker",
            "GPUs that a worker reserves; fractions are allowed",
            "number",
            _default["gpus_per_worker"],
        ),
        Option(
            "load_timeout_s",
            "seconds a worker may take to become ready",
            "number",
            _default["load_timeout_s"],
            metavar="S",
        ),
        Option("replace", "take down a deployment of that name made differently", "flag"),
        Option("no_wait", "return at once; it goes on loading", "flag"),
    ],
    "The body of the cell may hold parameters of the engine, one 'key = value' per line: JSON "
    "values or plain text, # begins a comment. ${NAME} stands for an environment variable and is "
    "the way to pass a secret.",
)


def deploy(shell: Any, options: dict[str, Any], body: str) -> None:
    """Run ``%%llm_deploy``."""
    infer_params = parse_parameters(body)
    fields = set(DeploymentSpec.__struct_fields__)
    spec = DeploymentSpec(
        **{name: value for name, value in options.items() if name in fields},
        infer_params=infer_params,
    )
    spec.check()
    secrets = collect(infer_params)
    gateway = connect(shell).gateway
    replace = bool(options["replace"])
    if options["no_wait"]:
        gateway.deploy(spec, secrets=secrets, replace=replace)
        say(shell, f"{spec.name} is being deployed; %llm_list shows how far it is.")
        return

    def done(seconds: float) -> str:
        workers = f"{spec.workers} worker{'s' if spec.workers > 1 else ''}"
        return f"ready · {spec.model_path} · {spec.backend} · {workers} · {seconds:.1f} s"

    follow(
        shell,
        gateway,
        spec.name,
        lambda: gateway.deploy(spec, secrets=secrets, replace=replace),
        done,
    )


UNDEPLOY = Arguments(
    "llm_undeploy",
    "Take a deployment down. Running requests finish first.",
    ["%llm_undeploy NAME [--force]"],
    [Positional("name", "name of the deployment", deployment=True)],
    [Option("force", "break running requests off", "flag")],
)


def undeploy(shell: Any, options: dict[str, Any], body: str) -> None:
    """Run ``%llm_undeploy``."""
    gateway = connect(shell).gateway
    name = options["name"]
    follow(
        shell,
        gateway,
        name,
        lambda: gateway.undeploy(name, force=bool(options["force"])),
        lambda seconds: f"undeployed · {seconds:.1f} s",
    )


SCALE = Arguments(
    "llm_scale",
    "Change the number of workers of a deployment.",
    ["%llm_scale NAME WORKERS"],
    [
        Positional("name", "name of the deployment", deployment=True),
        Positional("workers", "how many copies of the model", "integer"),
    ],
    [],
)


def scale(shell: Any, options: dict[str, Any], body: str) -> None:
    """Run ``%llm_scale``."""
    gateway = connect(shell).gateway
    name, workers = options["name"], options["workers"]
    follow(
        shell,
        gateway,
        name,
        lambda: gateway.scale(name, workers),
        lambda seconds: f"{workers} worker{'s' if workers != 1 else ''} · {seconds:.1f} s",
    )
