"""What was filled into the form, checked: a spec, or a sentence for each field that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from byzer_lab.deployment import SETTINGS
from byzer_lab.engines.base import EngineConfig
from byzer_lab.engines.families import is_service, make_engine
from byzer_lab.errors import ByzerLabError, InvalidRequestError, describe
from byzer_lab.generation import GENERATION, read_sampling
from byzer_lab.records import BackendRecord, ClusterRecord, DeploymentSpec
from byzer_lab.schema import ParameterInfo
from byzer_lab.secrets import collect, references, resolve
from byzer_lab.widgets.model_path import look
from byzer_lab.widgets.references import refusal

PARAMETER = "infer_params."
GENERATED = "generation."
RESOURCES = ParameterInfo(
    "resources",
    list,
    None,
    "Other resources of the Ray cluster that a worker reserves, such as big_memory=0.01.",
)
"""They are no single value, so that they are not among the settings."""


@dataclass(frozen=True)
class World:
    """What the form knows of the cluster.

    Attributes:
        backends: The backends.
        cluster: ``None`` where none runs yet.
        taken: State of each deployment, by name.
        local: Workers run on this machine.
    """

    backends: Sequence[BackendRecord]
    cluster: ClusterRecord | None = None
    taken: dict[str, str] = field(default_factory=dict)
    local: bool = True


@dataclass
class Draft:
    """What was filled in; nothing is checked yet.

    Attributes:
        name: Name of the deployment.
        replace: Take down a deployment of that name.
        settings: By their names in :data:`byzer_lab.deployment.SETTINGS`, as typed.
        resources: Other Ray resources, as typed: ``NAME=AMOUNT``, separated by commas.
        parameters: Infer parameters, as typed.
        generation: Generation parameters, as typed.
    """

    name: str = ""
    replace: bool = False
    settings: dict[str, Any] = field(default_factory=dict)
    resources: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    generation: dict[str, Any] = field(default_factory=dict)

    def setting(self, name: str) -> Any:
        """A setting as typed; its default where it is left open."""
        value = self.settings.get(name)
        return SETTINGS[name].default if value is None else value


@dataclass
class Checked:
    """What came of a draft.

    Attributes:
        spec: What would be deployed; ``None`` where something is wrong.
        problems: A sentence by field: the settings' names, ``infer_params.NAME``,
            ``generation.NAME``, and ``infer_params`` for parameters that don't go together.
        notes: What else is known of a field.
    """

    spec: DeploymentSpec | None = None
    problems: dict[str, str] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


def check(draft: Draft, world: World, parameters: Iterable[ParameterInfo]) -> Checked:
    """Check all of a draft.

    Args:
        draft: What was filled in.
        world: What is known of the cluster.
        parameters: The infer parameters that the chosen engine has.
    """
    checked = Checked()
    settings = _read_all(SETTINGS.values(), draft.settings, "", checked)
    resources = _read_resources(draft.resources, checked)
    infer_params = _read_all(parameters, draft.parameters, PARAMETER, checked)
    generation = _read_all(GENERATION, draft.generation, GENERATED, checked)
    _check_model(draft, world, checked)
    if not checked.problems:
        _check_engine(draft, infer_params, checked)
    _check_name(draft, world, checked)
    if checked.problems:
        return checked
    spec = DeploymentSpec(
        name=draft.name,
        **settings,
        resources=resources,
        infer_params=infer_params,
        generation=read_sampling(generation),
    )
    try:
        spec.check()
    except InvalidRequestError as error:
        checked.problems[error.message.partition(" ")[0]] = error.message
    _check_room(spec, world, checked)
    checked.spec = None if checked.problems else spec
    return checked


def _read_all(
    infos: Iterable[ParameterInfo], typed: dict[str, Any], prefix: str, checked: Checked
) -> dict[str, Any]:
    known = {info.name: info for info in infos}
    values = {}
    for name, value in typed.items():
        if value is None:
            continue
        try:
            values[name] = _read(known[name], value)
        except InvalidRequestError as error:
            checked.problems[prefix + name] = error.message
    return values


def _read(info: ParameterInfo, value: Any) -> Any:
    """One value, as its kind.

    Raises:
        InvalidRequestError: It doesn't fit, may be a secret, or refers to what is not set.
    """
    if isinstance(value, str):
        if reason := refusal(info.name, value):
            raise InvalidRequestError(reason)
        if references(value):
            collect(value)
            return value
    return info.read(value)


def _read_resources(typed: str | None, checked: Checked) -> dict[str, float]:
    """Amounts by resource; where one is wrong that is said and nothing is reserved."""
    resources: dict[str, float] = {}
    try:
        for text in _read(RESOURCES, typed) or []:
            name, _, amount = text.partition("=")
            info = ParameterInfo(f"The amount of {name.strip()}", float, None, "", least=0)
            resources[name.strip()] = info.read(amount)
        DeploymentSpec("resources", resources=resources).check()
    except InvalidRequestError as error:
        checked.problems[RESOURCES.name] = error.message
        return {}
    return resources


def _check_name(draft: Draft, world: World, checked: Checked) -> None:
    try:
        DeploymentSpec(name=draft.name).check()
    except InvalidRequestError as error:
        checked.problems["name"] = error.message if draft.name else "Give it a name, such as chat."
        return
    state = world.taken.get(draft.name, "")
    if state not in ("", "failed", "draining") and not draft.replace:
        checked.problems["name"] = (
            f"{draft.name!r} is {state} already; choose another name, or tick Replace."
        )


def _check_model(draft: Draft, world: World, checked: Checked) -> None:
    path, backend = draft.setting("model_path"), draft.setting("backend")
    if is_service(draft.setting("pretrained_model_type")):
        checked.notes["model_path"] = "The model is the provider's; this stays empty."
    elif not path:
        checked.problems["model_path"] = "Give a folder, a hub id such as org/name, or bundled."
    elif "model_path" not in checked.problems:
        seen = look(path, backend, local=world.local)
        checked.notes["model_path"] = seen.summary
        if seen.problem:
            checked.problems["model_path"] = seen.problem


def _check_room(spec: DeploymentSpec, world: World, checked: Checked) -> None:
    """Compare what all workers reserve with what the cluster has; a node may be too small still,
    which the registry tells."""
    if world.cluster is None:
        return
    wanted = {
        "cpus_per_worker": (spec.cpus_per_worker, world.cluster.cpus, "CPUs"),
        "gpus_per_worker": (spec.gpus_per_worker, world.cluster.gpus, "GPUs"),
    }
    workers = f"{spec.workers} workers want" if spec.workers > 1 else "The worker wants"
    for name, (each, there, unit) in wanted.items():
        all_of_them = each * spec.workers
        if all_of_them > there.total:
            checked.problems[name] = (
                f"{workers} {all_of_them:g} {unit}, but the cluster has {there.total:g}."
            )
        elif all_of_them > there.total - there.used:
            free = f"{there.total - there.used:g} of {there.total:g} {unit} are free now"
            checked.notes[name] = f"{free}: it will wait."


def _check_engine(draft: Draft, infer_params: dict[str, Any], checked: Checked) -> None:
    """Let the engine say what can't be seen by looking at one field."""
    if is_service(draft.setting("pretrained_model_type")):  # which wants to see that keys are there
        known = resolve(infer_params, collect(infer_params))
    else:
        known = {name: value for name, value in infer_params.items() if not references(value)}
    said, parameter = _refusal_of(draft, known)
    if not said:
        return
    if parameter in infer_params:
        checked.problems[PARAMETER + parameter] = said
    elif _refusal_of(draft, {})[0] != said:
        checked.problems["infer_params"] = said
    elif draft.settings.get("pretrained_model_type"):
        checked.problems["pretrained_model_type"] = said
    else:
        checked.problems["model_path"] = said


def _refusal_of(draft: Draft, infer_params: dict[str, Any]) -> tuple[str, str]:
    """What the engine of a draft says to these parameters, and about which one; empty where it
    takes them."""
    path, family = draft.setting("model_path"), draft.setting("pretrained_model_type")
    try:
        make_engine(draft.setting("backend"), EngineConfig(path, family, infer_params, 1))
    except ByzerLabError as error:
        return error.message, str(error.details.get("parameter", ""))
    except (OSError, RuntimeError) as error:  # a path that no folder can have
        return describe(error), ""
    return "", ""
