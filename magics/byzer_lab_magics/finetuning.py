"""``%%llm_finetune``: a training begun from a cell and shown there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from IPython.core.error import UsageError

from byzer_lab.schema import ParameterInfo, describe_parameters
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.connection import connect
from byzer_lab_magics.deploying import read_resources
from byzer_lab_magics.job_following import follow_job, how_to_go_on
from byzer_lab_magics.options import Option, Positional, describe_parameter, rows_text
from byzer_lab_magics.parameters import parse_parameters
from byzer_lab_magics.show import say
from byzer_lab_magics.sql import known_session

KINDS = ("sft", "dpo", "sfft")

FINETUNE = Arguments(
    "llm_finetune",
    "Train a model and show how it goes. An interrupt leaves the job running.",
    [
        "%%llm_finetune NAME --model_path PATH --data ROWS [options]",
        "%llm_finetune NAME --model_path PATH --data ROWS [options]",
    ],
    [Positional("name", "name of the job, for %llm_jobs and all other faces")],
    [
        Option(
            "model_path",
            "the model to begin with: a folder, a hub id, or bundled",
            metavar="PATH",
            required=True,
            values=("bundled",),
            aliases=("localModelDir", "local_model_path"),
        ),
        Option(
            "data",
            "the rows: a table of %%llm_sql, a DataFrame or a list of the notebook, or a file",
            metavar="ROWS",
            required=True,
            aliases=("inputTable", "data_dir", "local_data_dir_path"),
        ),
        Option(
            "kind",
            "sft trains on answers, dpo on preferred ones, sfft on plain text with DeepSpeed; or "
            "module:function, code of your own",
            values=KINDS,
            shown_default="that of the type, else sft",
        ),
        Option(
            "pretrained_model_type",
            "family of the model, such as sft/llama2",
            metavar="TYPE",
            shown_default="detected",
            aliases=("pretrainedModelType",),
        ),
        Option(
            "path_prefix",
            "where the job has its folder",
            metavar="PATH",
            shown_default="/tmp/byzerllm",
            aliases=("localPathPrefix", "local_stage_path"),
        ),
        Option("workers", "processes that train together", "integer", shown_default="one per GPU"),
        Option(
            "num_gpus",
            "GPUs in all",
            "number",
            shown_default="1 where the cluster has one",
        ),
        Option("num_cpus", "Ray CPUs in all", "number", 0.0),
        Option(
            "resource",
            "amount of another Ray resource that each process reserves",
            metavar="NAME=X",
            repeat=True,
        ),
        Option(
            "max_attempts",
            "attempts in a row that may be lost without getting further",
            "integer",
            5,
        ),
        Option("replace", "forget a job of that name that has ended", "flag"),
        Option("no_wait", "return at once; it goes on", "flag", aliases=("detached",)),
    ],
    "The body of the cell may hold parameters of the training, one 'key = value' per line, such as "
    "lora_rank = 8 or sft.int.max_seq_length = 512: JSON values or plain text, # begins a comment. "
    "${NAME} stands for an environment variable. --help with --kind lists the parameters of that "
    "kind; see docs/training.md.",
)


def finetune(shell: Any, options: dict[str, Any], body: str) -> None:
    """Run ``%%llm_finetune``."""
    parameters = parse_parameters(body)
    resources = read_resources("llm_finetune", options["resource"])
    data = rows_for(shell, options["data"])
    kind = _kind(options["kind"], options["pretrained_model_type"])
    session = connect(shell)
    from byzer_lab.client.byzer_llm import ByzerLLM  # with httpx: not at load time

    gpus = options["num_gpus"]
    if gpus is None:
        gpus = 1.0 if session.gateway.state().cluster.gpus.total >= 1 else 0.0
    job = ByzerLLM().train(
        kind,
        name=options["name"],
        model_path=options["model_path"],
        data=data,
        parameters=parameters,
        model_type=options["pretrained_model_type"] or (f"{kind}/auto" if kind in KINDS else ""),
        path_prefix=options["path_prefix"] or "",
        workers=options["workers"],
        num_gpus=gpus,
        num_cpus=options["num_cpus"],
        resources=resources,
        max_attempts=options["max_attempts"],
        replace=bool(options["replace"]),
    )
    if options["no_wait"]:
        say(shell, f"{job.name} has begun. {how_to_go_on(job.name)}")
    else:
        follow_job(shell, session.gateway, job.changes(), job.name)


def rows_for(shell: Any, name: str) -> Any:
    """What ``--data`` means: rows of this process, or a path.

    Raises:
        UsageError: There is nothing of that name.
    """
    session = known_session(shell)
    if session is not None and name in session.tables:
        return session.engine.query(session.all_of(session.tables.find(name)))
    if name.isidentifier() and name in shell.user_ns:
        return shell.user_ns[name]
    if os.path.exists(os.path.expanduser(name)):
        return name
    tables = session.tables.names() if session is not None else []
    names = [*tables, *(known for known in shell.user_ns if not known.startswith("_"))]
    close = get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise UsageError(
        f"%llm_finetune: --data {name} is no table of %%llm_sql, no variable of this notebook and "
        f"no file.{hint}"
    )


def _kind(given: str | None, family: str | None) -> str:
    prefix = (family or "").partition("/")[0]
    if given and prefix in KINDS and prefix != given:
        raise UsageError(f"%llm_finetune: --kind {given} does not go with {family}; give one.")
    return given or (prefix if prefix in KINDS else "sft")


def kind_help(line: str) -> str:
    """What ``--help`` says of the parameters of the kind that a line names; empty where none."""
    if not any(FINETUNE.gives(line, name) for name in ("kind", "pretrained_model_type")):
        return ""
    rows = [describe_parameter(info) for info in parameters_in(line)]
    kind = _kind_in(line)
    return rows_text(f"Parameters of {kind}, in the body of the cell:", rows)


def parameters_in(line: str) -> Sequence[ParameterInfo]:
    """The parameters that the body below a line may set."""
    from byzer_lab.training.parameters import dpo, pretrain, sft

    of_kind: dict[str, type[Any]] = {
        "sft": sft.Parameters,
        "dpo": dpo.Parameters,
        "sfft": pretrain.Parameters,
    }
    return describe_parameters(of_kind[_kind_in(line)])


def _kind_in(line: str) -> str:
    given = FINETUNE.given(line, "kind")
    family = FINETUNE.given(line, "pretrained_model_type") or ""
    for kind in (given, family.partition("/")[0]):
        if kind in KINDS:
            return str(kind)
    return "sft"
