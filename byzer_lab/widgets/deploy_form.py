"""The form that ``%llm_deploy`` alone opens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from byzer_lab.deployment import SETTINGS
from byzer_lab.engines.families import is_service
from byzer_lab.errors import ByzerLabError
from byzer_lab.generation import GENERATION
from byzer_lab.records import OperationState
from byzer_lab.schema import ParameterInfo
from byzer_lab.widgets.catalog import basic_first, family_types, parameters_of, service_note
from byzer_lab.widgets.deploying import Deploying
from byzer_lab.widgets.draft import (
    GENERATED,
    PARAMETER,
    RESOURCES,
    Checked,
    Draft,
    World,
    check,
)
from byzer_lab.widgets.equivalents import as_cell, as_python, as_shell
from byzer_lab.widgets.model_path import proposals
from byzer_lab.widgets.parameter_rows import ParameterRows
from byzer_lab.widgets.progress import Progress
from byzer_lab.widgets.rows import Row
from byzer_lab.widgets.snippets import SHELL, Snippets
from byzer_lab.widgets.style import CSS, ROOT, part, span
from byzer_lab.widgets.surroundings import in_words, the_cluster, this_machine

NAME = ParameterInfo("name", str, None, "How prompts and all other faces call it.")
LABELS = {
    "model_path": "Model",
    "pretrained_model_type": "Family",
    "backend": "Backend",
    "workers": "Workers",
    "worker_concurrency": "Concurrency",
    "cpus_per_worker": "CPUs per worker",
    "gpus_per_worker": "GPUs per worker",
    "load_balance": "Load balance",
    "queue_limit": "Queue limit",
    "min_workers": "Fewest workers",
    "max_workers": "Most workers",
    "scale_down_after_s": "Scale down after",
    "load_timeout_s": "Load timeout",
}
NO_SETTINGS = ("name", RESOURCES.name)
RARELY = (
    "max_workers",
    "min_workers",
    "scale_down_after_s",
    "queue_limit",
    "load_timeout_s",
    RESOURCES.name,
)
"""Settings that few deployments need: they are folded in."""
USUAL_GENERATION = ("max_tokens", "temperature", "top_p", "stop")
SUMMARY = (
    "The deploy form of Byzer Lab. Run %llm_deploy again to open it; without a form: "
    "%%llm_deploy NAME --model_path PATH"
)
"""What stands in its place where it can't be shown, as in a saved notebook."""
TICK_S = 1.0


class DeployForm(widgets.VBox):
    """The form. Its cell returns at once; everything that takes time runs on threads and comes
    back through the kernel's loop, so that it never waits for a cell nor makes one wait.

    Attributes:
        rows: Its fields, by the names of their settings.
        parameters: The fields of the chosen engine's parameters.
        generation: The fields of default generation parameters.
        replace: Whether to take down a deployment of that name.
        deploy: The button.
        progress: What is being deployed; ``None`` before the first.
        checked: What the fields come to now.
    """

    def __init__(self) -> None:
        self._loop = _running_loop()
        self._world = this_machine()
        self.checked = Checked()
        self.progress: Progress | None = None
        self._offered: list[ParameterInfo] = []
        self.rows = self._make_rows()
        self.parameters = ParameterRows(self.refresh)
        self.generation = ParameterRows(self.refresh)
        self.generation.offer(*_usual_first(GENERATION))
        self.replace = widgets.Checkbox(
            description="Replace a deployment of that name",
            indent=False,
            layout=widgets.Layout(width="auto", margin="2px 2px 2px 12px"),
        )
        self.replace.observe(lambda _: self.refresh(), "value")
        self.deploy = widgets.Button(description="Deploy", button_style="primary")
        self.deploy.on_click(lambda _: self._deploy())
        self._cluster = widgets.HTML()
        self._parameters_said = widgets.HTML()
        self._snippets = Snippets(("Cell", "Python", SHELL))
        self._said = widgets.HTML()
        self._doing = widgets.VBox()
        super().__init__(self._layout())
        self.add_class(ROOT)
        self.look()
        self.refresh()

    def _make_rows(self) -> dict[str, Row]:
        special: dict[str, dict[str, Any]] = {
            "model_path": {"proposals": proposals(""), "example": "bundled, org/name or /folder"},
            "pretrained_model_type": {"proposals": family_types()},
            "backend": {"options": self._installed()},
        }
        rows = {"name": Row(NAME, self.refresh, label="Name", example="chat")}
        for name, info in SETTINGS.items():
            rows[name] = Row(info, self.refresh, label=LABELS[name], **special.get(name, {}))
        rows[RESOURCES.name] = Row(
            RESOURCES, self.refresh, label="Other resources", example="big_memory=0.01"
        )
        return rows

    def _layout(self) -> list[Any]:
        usual = [row for name, row in self.rows.items() if name not in RARELY]
        again = widgets.Button(icon="refresh", tooltip="Look at the cluster again")
        again.on_click(lambda _: self.look())
        head = widgets.HBox([widgets.HTML(span("title", "Deploy a model")), self._cluster, again])
        head.add_class("bl-row")
        fold = widgets.Accordion(
            [widgets.VBox([self.rows[name] for name in RARELY]), self.generation],
            titles=("More settings", "Default generation parameters"),
        )
        return [
            widgets.HTML(CSS, layout=widgets.Layout(display="none")),
            head,
            *usual,
            self._parameters_said,
            self.parameters,
            fold,
            widgets.HTML(part("The same as text")),
            self._snippets,
            widgets.HBox([self.deploy, self.replace]),
            self._said,
            self._doing,
        ]

    def _repr_mimebundle_(self, **_: Any) -> Any:
        bundle = super()._repr_mimebundle_()
        return bundle and {**bundle, "text/plain": SUMMARY}

    @property
    def draft(self) -> Draft:
        """What is filled in."""
        return Draft(
            name=self.rows["name"].value or "",
            replace=self.replace.value,
            settings={n: row.value for n, row in self.rows.items() if n not in NO_SETTINGS},
            resources=self.rows[RESOURCES.name].value,
            parameters=self.parameters.values,
            generation=self.generation.values,
        )

    @property
    def cell(self) -> str:
        """The cell that does the same; empty while something is wrong."""
        spec = self.checked.spec
        return as_cell(spec, replace=self.replace.value) if spec else ""

    def look(self) -> None:
        """Look at the cluster, on a thread; the fields follow when it has answered."""

        def ask() -> None:
            try:
                world, said = the_cluster(), ""
            except ByzerLabError as error:
                world, said = this_machine(), error.message
            self._post(lambda: self._found(world, said))

        if self._loop is None:
            ask()
        else:
            threading.Thread(target=ask, name="byzer-lab-form", daemon=True).start()

    def _post(self, function: Callable[[], None]) -> None:
        """Run a function on the kernel's loop, which alone touches widgets; without one, as in a
        test, where it is."""
        if self._loop is None:
            function()
        else:
            self._loop.call_soon_threadsafe(function)

    def _found(self, world: World, said: str) -> None:
        self._world = world
        self._cluster.value = span("problem" if said else "muted", said or in_words(world))
        backend = self.rows["backend"]
        chosen, names = backend.value, self._installed()
        backend.input.options = names
        backend.value = chosen if chosen in names else names[0]
        self.refresh()

    def _installed(self) -> list[str]:
        names = [record.name for record in self._world.backends if record.installed]
        return names or [SETTINGS["backend"].default]

    def refresh(self) -> None:
        """Check everything and say so."""
        draft = self.draft
        infos = self._offer_parameters(draft)
        self.checked = checked = check(draft, self._world, infos)
        backend = draft.setting("backend")
        family = draft.setting("pretrained_model_type")
        service = service_note(family)
        checked.notes["pretrained_model_type"] = service
        checked.notes["backend"] = (
            "Not used: the model is the provider's." if service else self._backend_note(backend)
        )
        own = [str(r.concurrency) for r in self._world.backends if r.name == backend]
        self.rows["worker_concurrency"].input.placeholder = " ".join([*own, "requests"])
        for name, row in self.rows.items():
            row.say(checked.problems.get(name, ""), checked.notes.get(name, ""))
        self.parameters.say(checked.problems, PARAMETER)
        self.generation.say(checked.problems, GENERATED)
        self._propose_paths(self.rows["model_path"])
        texts = {}
        if checked.spec:
            texts = {
                "Cell": self.cell,
                "Python": as_python(checked.spec, replace=draft.replace),
                SHELL: as_shell(checked.spec, replace=draft.replace),
            }
        self._snippets.put(texts)
        self._show_deploy()

    def _offer_parameters(self, draft: Draft) -> list[ParameterInfo]:
        backend, family = draft.setting("backend"), draft.setting("pretrained_model_type")
        if is_service(family) and not service_note(family):  # half typed
            return self._offered
        path = draft.setting("model_path")
        self._offered = infos = list(parameters_of(backend, family, path, draft.parameters))
        self.parameters.offer(*basic_first(infos))
        whose = family if service_note(family) else f"the {backend} backend"
        self._parameters_said.value = part(f"Parameters of {whose}")
        draft.parameters = self.parameters.values
        return infos

    def _backend_note(self, backend: str) -> str:
        missing = [f"{r.name}: {r.install}" for r in self._world.backends if not r.installed]
        parts = [r.summary for r in self._world.backends if r.name == backend and r.summary]
        parts += [f"not installed: {'; '.join(missing)}"] if missing else []
        return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts)

    @staticmethod
    def _propose_paths(row: Row) -> None:
        found = tuple(proposals(row.input.value))
        if row.input.options != found:
            row.input.options = found

    def _show_deploy(self) -> None:
        busy = self.progress is not None and self.progress.state == "running"
        self.deploy.disabled = busy or self.checked.spec is None
        general = self.checked.problems.get("infer_params", "")
        self._said.value = span("problem", general)

    def _deploy(self) -> None:
        """Begin; the button is disabled while something is wrong."""
        spec = self.checked.spec
        if spec is None or self.deploy.disabled:
            return
        progress = Progress(spec.name, self._ended)
        deploying = Deploying(spec, replace=self.replace.value, watcher=progress, post=self._post)
        progress.cancel.on_click(lambda _: deploying.cancel())
        self.progress = progress
        self._doing.children = (progress,)
        self._show_deploy()
        self._tick(progress)
        deploying.start()

    def _tick(self, progress: Progress) -> None:
        if progress.state == "running":
            progress.tick()
            if self._loop is not None:
                self._loop.call_later(TICK_S, self._tick, progress)

    def _ended(self, _: OperationState) -> None:
        self._show_deploy()
        self.look()


def _usual_first(
    infos: tuple[ParameterInfo, ...],
) -> tuple[list[ParameterInfo], list[ParameterInfo]]:
    usual = [info for info in infos if info.name in USUAL_GENERATION]
    return usual, [info for info in infos if info not in usual]


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
