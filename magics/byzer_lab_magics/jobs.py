"""``%llm_jobs``: the training jobs, and what can be done with one of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from byzer_lab.errors import ConflictError
from byzer_lab.jobs import ENDED, JobPoint, JobRecord
from byzer_lab_magics import deploying
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.connection import NO_CLUSTER, connect, running_session
from byzer_lab_magics.curve import figure
from byzer_lab_magics.job_following import follow_job, note_of
from byzer_lab_magics.job_view import bundle, duration, memory, moment, plain
from byzer_lab_magics.options import Option, Positional
from byzer_lab_magics.show import say
from byzer_lab_magics.table import Facts, Table

if TYPE_CHECKING:
    from byzer_lab.client.gateway import GatewayClient

JOBS = Arguments(
    "llm_jobs",
    "Show the training jobs, or one of them with its curve; the value of one is a dict.",
    ["%llm_jobs", "%llm_jobs NAME [option]"],
    [Positional("name", "name of the job", required=False, job=True)],
    [
        Option("watch", "show it until it ends; an interrupt leaves it running", "flag"),
        Option("log", "print the last lines of its log", "flag"),
        Option("lines", "how many", "integer", 50, short="n"),
        Option("stop", "let it save what it has and end", "flag"),
        Option("cancel", "end it without saving", "flag"),
        Option("resume", "let it go on from its newest checkpoint, and show it", "flag"),
        Option("deploy", "deploy what it made under this name", metavar="NAME"),
        Option("delete", "forget it", "flag"),
        Option("files", "with --delete: its folder too, and the model in it", "flag"),
    ],
)

COLUMNS = ["name", "kind", "state", "step", "loss", "lr", "tokens/s", "memory", "time", "left"]
_ACTIONS = ("watch", "log", "stop", "cancel", "resume", "deploy", "delete")


def llm_jobs(shell: Any, options: dict[str, Any], body: str) -> Table | JobFacts | None:
    """Run ``%llm_jobs``."""
    name = options["name"]
    asked = [f"--{action}" for action in _ACTIONS if options[action]]
    if asked and name is None:
        raise UsageError(f"%llm_jobs: NAME is missing; write %llm_jobs NAME {asked[0]}.")
    if len(asked) > 1:
        raise UsageError(f"%llm_jobs: {' and '.join(asked)} don't go together; give one.")
    if options["files"] and not options["delete"]:
        raise UsageError("%llm_jobs: --files goes with --delete alone.")
    if name is None:
        return _all()
    gateway = connect(shell).gateway
    if not asked:
        record = gateway.job(name)
        return JobFacts(record, gateway.job_points(name))
    _act(shell, gateway, name, asked[0], options)
    return None


def _all() -> Table:
    session = running_session()
    if session is None:
        return Table(COLUMNS, [], NO_CLUSTER)
    records = sorted(session.gateway.state().jobs, key=lambda r: -r.created_at)
    empty = "There is no job; %%llm_finetune NAME --model_path PATH --data ROWS begins one."
    return Table(COLUMNS, [_row(record) for record in records], empty)


def _row(record: JobRecord) -> list[Any]:
    point = record.point
    going = record.state not in ENDED
    return [
        record.spec.name,
        record.spec.kind,
        record.state,
        f"{record.step:,}/{record.total_steps:,}" if record.total_steps else "",
        *("" if value is None else figure(value) for value in (point.loss, point.learning_rate)),
        figure(point.tokens_per_second) if going and point.tokens_per_second else "",
        memory(record.memory_mb) if going and record.memory_mb else "",
        _taken(record),
        duration(record.eta_s) if going and record.eta_s is not None else "",
    ]


def _taken(record: JobRecord) -> str:
    if record.started_at is None:
        return ""
    return duration((record.finished_at or time.time()) - record.started_at)


class JobFacts(Facts):
    """A job as a dict that a cell shows with its curve."""

    def __init__(self, record: JobRecord, points: list[JobPoint]) -> None:
        spec = record.spec
        made = record.artefacts.get("model") or record.artefacts.get("adapter") or ""
        facts: dict[str, Any] = {
            "state": record.state,
            "path": made,
            "folder": spec.folder,
            "kind": spec.kind,
            "model_path": spec.model_path,
            "pretrained_model_type": spec.model_type,
            "data": spec.data_path,
            "workers": spec.workers,
            "parameters": spec.parameters,
            "step": f"{record.step}/{record.total_steps}" if record.total_steps else "",
            "epoch": round(record.epoch, 3),
            "tokens": record.tokens,
            "result": record.result,
            "checkpoints": {str(item.step): item.path for item in record.checkpoints},
            "artefacts": record.artefacts,
            "begun": moment(record.started_at or 0.0),
            "ended": moment(record.finished_at or 0.0),
            "error": (record.error or {}).get("message", ""),
        }
        super().__init__({name: value for name, value in facts.items() if value not in ("", {})})
        self._record, self._points = record, points

    def _repr_html_(self) -> str:
        html = bundle(self._record, self._points, note_of(self._record))["text/html"]
        return html + super()._repr_html_()

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(plain(self._record, self._points, note_of(self._record)) + "\n")
        super()._repr_pretty_(printer, cycle)


def _act(
    shell: Any, gateway: GatewayClient, name: str, action: str, options: dict[str, Any]
) -> None:
    match action:
        case "--watch":
            follow_job(shell, gateway, gateway.watch_job(gateway.job(name)), name)
        case "--log":
            _log(shell, gateway, name, options["lines"])
        case "--stop":
            record = gateway.stop_job(name)
            say(shell, f"{name} is {record.state}; it saves what it has and ends.")
        case "--cancel":
            record = gateway.cancel_job(name)
            say(shell, f"{name} is {record.state}.")
        case "--resume":
            follow_job(shell, gateway, gateway.watch_job(gateway.resume_job(name)), name)
        case "--deploy":
            _deploy(shell, gateway.job(name), options["deploy"])
        case "--delete":
            gateway.delete_job(name, files=bool(options["files"]))
            files = " with its files" if options["files"] else "; its files are kept"
            say(shell, f"{name} is deleted{files}.")


def _log(shell: Any, gateway: GatewayClient, name: str, wanted: int) -> None:
    if wanted < 1:
        raise UsageError(f"%llm_jobs: --lines is {wanted}; it must be at least 1.")
    lines = gateway.job_log(name, after=-wanted, limit=wanted)
    if not lines:
        say(shell, f"{name} has written nothing yet.")
    for line in lines:
        print(f"{time.strftime('%H:%M:%S', time.localtime(line.time))} {line.text}")


def _deploy(shell: Any, record: JobRecord, name: str) -> None:
    made = record.artefacts.get("model") or record.artefacts.get("adapter")
    if not made:
        raise ConflictError(
            f"The job {record.spec.name!r} is {record.state} and has made no model to deploy."
        )
    options = deploying.DEPLOY.parse("name --model_path path")
    deploying.deploy(shell, {**options, "name": name, "model_path": made}, "")
