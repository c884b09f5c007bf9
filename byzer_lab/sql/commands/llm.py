"""``run command as LLM`` and ``!byzerllm``: models are deployed, looked up and removed; what trains
them is in ``training.py``."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa

from byzer_lab.client.byzer_llm import ByzerLLM
from byzer_lab.client.session import existing_session
from byzer_lab.client.training.keys import ACTIONS
from byzer_lab.errors import InvalidRequestError, ModelNotFoundError
from byzer_lab.records import OperationRecord
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.commands.training import JOB_ACTIONS, Watching, job_command, stop_of, train
from byzer_lab.sql.models.calls import Function

Deploying = Callable[[str, Callable[[Callable[[OperationRecord], None]], None]], None]
"""Shows a deploy while it runs: the name, and what does it, given who is told of its progress."""

KINDS = ("single", "sft", "sfft", "data", "retrieval", "retrieval/data")
OF_THE_ORIGINAL = (
    "rayAddress",
    "pythonExec",
    "dataMode",
    "runIn",
    "owner",
    "schema",
    "code_search_path",
    "JAVA_HOME",
    "PATH",
)
"""Keys of ``setup`` for the JVM's side of the original, which does not exist here."""
NOT_PARAMETERS = (
    "action",
    "pretrainedModelType",
    "udfName",
    "localModelDir",
    "localPathPrefix",
    "modelTable",
    "model",
    "reconnect",
    "replace",
    "modelWaitServerReadyTimeout",
    "devices",
    "inferMode",
)


def byzerllm(session: SqlSession, arguments: Sequence[str]) -> pa.Table:
    """``!byzerllm setup ...`` and ``!byzerllm model ...``.

    Raises:
        InvalidRequestError: There is no such command or key.
    """
    match list(arguments):
        case ["setup", kind] if kind in KINDS:
            session.setup = {"kind": kind}
        case ["setup", *pairs] if pairs:
            for pair in pairs:
                key, equals, value = (part.strip() for part in pair.partition("="))
                if not equals:
                    raise InvalidRequestError(
                        f"!byzerllm setup {pair!r} is neither one of {', '.join(KINDS)} nor "
                        '"key=value".'
                    )
                _check_key(key, value)
                session.setup[key] = value
        case ["model", "exists", name]:
            return pa.table({"value": [name in session.models.names()]})
        case ["model", "remove", name]:
            _remove(name)
            session.functions.pop(name.lower(), None)
            return pa.table({"value": [name]})
        case ["jobs" | "job", *_] if (told := job_command(arguments)) is not None:
            return told
        case _:
            raise InvalidRequestError(
                f"!byzerllm {' '.join(arguments)} is no command; there is: !byzerllm setup "
                f'{"|".join(KINDS)}, !byzerllm setup "key=value", !byzerllm model exists NAME, '
                "!byzerllm model remove NAME, !byzerllm jobs, !byzerllm job NAME and !byzerllm job "
                f"{'|'.join(JOB_ACTIONS)} NAME."
            )
    names = list(session.setup)
    return pa.table(
        {"name": pa.array(names, pa.string()), "value": [session.setup[name] for name in names]}
    )


def _remove(name: str) -> None:
    """Undeploy a model, and stop a training of that name: it saves what it has."""
    stopped = stop_of(name)
    try:
        ByzerLLM().undeploy(name)
    except ModelNotFoundError:
        if not stopped:
            raise


def _check_key(key: str, value: str) -> None:
    if key not in OF_THE_ORIGINAL:
        ByzerLLM().setup(key, value)


def run_llm(
    session: SqlSession, options: Mapping[str, str], show: Deploying, watch: Watching
) -> pa.Table:
    """``run command as LLM.```` where ...``.

    Args:
        session: Gets the function.
        options: Filled.
        show: Shows how a deploy goes.
        watch: Shows how a job goes.

    Returns:
        One row about the model or the job.

    Raises:
        InvalidRequestError: An option is missing or wrong.
        ByzerLabError: As from a deploy or a job.
    """
    action = options.get("action") or "finetune"
    family = options.get("pretrainedModelType", "")
    if action in ACTIONS:
        return train(session, options, watch)
    if action != "infer":
        raise InvalidRequestError(f'action is "{action}"; it must be infer, {", ".join(ACTIONS)}.')
    name = options.get("udfName", "")
    if not name:
        raise InvalidRequestError('udfName is missing; write: and udfName="chat".')
    if options.get("reconnect", "false").lower() == "true":
        session.models.find(name)  # says where it isn't there
    else:
        _deploy(session, name, family, options, show)
    session.functions[name.lower()] = Function(name, model=name)
    model = session.models.find(name)
    return pa.table(
        {
            "function": [name],
            "pretrainedModelType": [family],
            "backend": [str(model.meta.get("backend", ""))],
            "requests_at_a_time": [model.limit],
        }
    )


def _deploy(
    session: SqlSession, name: str, family: str, options: Mapping[str, str], show: Deploying
) -> None:
    if not family:
        raise InvalidRequestError(
            'pretrainedModelType is missing; write: and pretrainedModelType="custom/auto".'
        )
    llm = ByzerLLM()
    given = {k: v for k, v in session.setup.items() if k != "kind" and k not in OF_THE_ORIGINAL}
    for key, value in given.items():
        llm.setup(key, value)
    parameters = {key: value for key, value in options.items() if key not in NOT_PARAMETERS}
    timeout = options.get("modelWaitServerReadyTimeout", "")
    if timeout and not timeout.isdigit():
        raise InvalidRequestError(
            f"modelWaitServerReadyTimeout is {timeout!r}; it must be a number of seconds."
        )

    def deploy(progress: Callable[[OperationRecord], None]) -> None:
        llm.deploy(
            model_path=options.get("localModelDir", ""),
            pretrained_model_type=family,
            udf_name=name,
            infer_params=parameters,
            replace=options.get("replace", "false").lower() == "true",
            load_timeout_s=float(timeout or 1800),
            progress=progress,
        )

    show(name, deploy)


def deployed_names() -> list[str]:
    """Names of the deployments, for completion; none where no cluster runs."""
    with contextlib.suppress(Exception):
        session = existing_session()
        if session:
            return [record.spec.name for record in session.gateway.state().deployments]
    return []
