"""``%%llm_deploy``, ``%llm_undeploy``, ``%llm_scale``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from IPython.core.error import UsageError

from byzer_lab.deployment import DEPLOYMENT
from byzer_lab.engines import BACKENDS
from byzer_lab.generation import read_sampling
from byzer_lab.records import DeploymentSpec
from byzer_lab.schema import ParameterInfo
from byzer_lab.secrets import collect
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.connection import connect
from byzer_lab_magics.operations import follow
from byzer_lab_magics.options import (
    Option,
    Positional,
    describe_parameter,
    option_of,
    rows_text,
)
from byzer_lab_magics.parameters import parse_parameters, split_generation
from byzer_lab_magics.show import in_notebook, say


def family_types() -> Iterable[str]:
    """What ``pretrained_model_type`` may be."""
    from byzer_lab.widgets.catalog import family_types  # with the engines' tables

    return family_types()


def _is_service(pretrained_model_type: str) -> bool:
    from byzer_lab.engines.families import is_service  # with the engines' tables

    return is_service(pretrained_model_type)


_METAVARS = {
    "model_path": "PATH",
    "pretrained_model_type": "TYPE",
    "backend": "NAME",
    "load_balance": "WAY",
    "load_timeout_s": "S",
    "scale_down_after_s": "S",
}
_PROPOSALS: dict[str, dict[str, Any]] = {
    "model_path": {
        "values": ("bundled",),
        "required": True,
        "needless": lambda values: _is_service(values.get("pretrained_model_type", "")),
        "shown_default": "required, but for models of providers",
    },
    "pretrained_model_type": {"more_values": family_types},
    "backend": {"values": tuple(sorted(BACKENDS))},
}

DEPLOY = Arguments(
    "llm_deploy",
    "Deploy a model onto the cluster and wait until it is ready. An interrupt cancels.",
    [
        "%%llm_deploy NAME --model_path PATH [options]",
        "%llm_deploy NAME --model_path PATH [options]",
        "%%llm_deploy NAME --pretrained_model_type saas/PROVIDER [options]",
        "%llm_deploy",
    ],
    [Positional("name", "name of the deployment, for %%prompt and all other faces")],
    [
        *(
            option_of(info, metavar=_METAVARS.get(info.name, ""), **_PROPOSALS.get(info.name, {}))
            for info in DEPLOYMENT
        ),
        Option(
            "resource",
            "amount of another Ray resource that a worker reserves",
            metavar="NAME=X",
            repeat=True,
        ),
        Option("replace", "take down a deployment of that name made differently", "flag"),
        Option("no_wait", "return at once; it goes on loading", "flag"),
    ],
    "The body of the cell may hold parameters of the engine, one 'key = value' per line: JSON "
    "values or plain text, # begins a comment. 'generation.NAME = value' sets a generation "
    "parameter for requests that leave it open (see %%prompt --help). ${NAME} stands for an "
    "environment variable and is the way to pass a secret. --help with --backend lists the "
    "parameters of that backend. %llm_deploy alone opens a form.",
)


def deploy(shell: Any, options: dict[str, Any], body: str) -> None:
    """Run ``%%llm_deploy``."""
    spec = read_spec(options, body)
    secrets = collect(spec.infer_params)
    gateway = connect(shell).gateway
    replace = bool(options["replace"])
    if options["no_wait"]:
        gateway.deploy(spec, secrets=secrets, replace=replace)
        say(shell, f"{spec.name} is being deployed; %llm_list shows how far it is.")
        return

    def done(seconds: float) -> str:
        workers = f"{spec.workers} worker{'s' if spec.workers > 1 else ''}"
        model = spec.model_path or spec.pretrained_model_type
        return f"ready · {model} · {spec.backend} · {workers} · {seconds:.1f} s"

    follow(
        shell,
        gateway,
        spec.name,
        lambda: gateway.deploy(spec, secrets=secrets, replace=replace),
        done,
    )


def read_spec(options: dict[str, Any], body: str) -> DeploymentSpec:
    """What a cell asks for.

    Args:
        options: The read line.
        body: Infer parameters and default generation parameters.

    Raises:
        InvalidRequestError: A value is out of its bounds.
        UsageError: The body or a resource is not written as it must be.
    """
    infer_params, generation = split_generation(parse_parameters(body))
    fields = set(DeploymentSpec.__struct_fields__)
    spec = DeploymentSpec(
        **{name: value for name, value in options.items() if name in fields and value is not None},
        resources=read_resources("llm_deploy", options["resource"]),
        infer_params=infer_params,
        generation=read_sampling(generation),
    )
    spec.check()
    return spec


def read_resources(magic: str, given: list[str]) -> dict[str, float]:
    """The values of ``--resource``.

    Raises:
        UsageError: One is not written as it must be.
    """
    resources = {}
    for text in given:
        name, _, amount = text.partition("=")
        try:
            resources[name] = float(amount)
        except ValueError:
            raise UsageError(
                f"%{magic}: --resource is {text!r}; write NAME=AMOUNT, such as big_memory=0.01."
            ) from None
    return resources


def backend_help(line: str) -> str:
    """What ``--help`` says of the parameters of the backend or the provider that a line names;
    empty where it names none.

    Raises:
        InvalidRequestError: There is no such backend.
    """
    family = DEPLOY.given(line, "pretrained_model_type")
    if _is_service(family):
        owner = family
    elif DEPLOY.gives(line, "backend"):
        owner = f"the {DEPLOY.given(line, 'backend')} backend"
    else:
        return ""
    rows = map(describe_parameter, parameters_in(line))
    return rows_text(f"Parameters of {owner}, in the body of the cell:", [*rows])


def parameters_in(line: str) -> Sequence[ParameterInfo]:
    """The infer parameters that the body below a line may set.

    Raises:
        InvalidRequestError: There is no such backend.
    """
    from byzer_lab.widgets.catalog import parameters_of  # with the engines' tables

    names = ("backend", "pretrained_model_type", "model_path")
    backend, pretrained_model_type, model_path = (DEPLOY.given(line, name) for name in names)
    return parameters_of(backend, pretrained_model_type, model_path or "")


def open_form(shell: Any) -> Any:
    """The form that ``%llm_deploy`` alone opens.

    Raises:
        UsageError: This front end shows no widgets, or they are not installed.
    """
    if not in_notebook(shell):
        raise UsageError(f"%llm_deploy: NAME is missing; write {DEPLOY.forms[0]}.")
    try:
        from byzer_lab.widgets.deploy_form import DeployForm
    except ModuleNotFoundError as error:
        if error.name != "ipywidgets":
            raise
        raise UsageError(
            "The deploy form needs ipywidgets; install it where this kernel runs (pip install "
            f"ipywidgets), or write {DEPLOY.forms[0]}."
        ) from None
    return DeployForm()


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
