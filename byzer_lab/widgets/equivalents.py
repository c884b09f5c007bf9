"""A deployment written as a cell, as Python and for a shell: what defaults leave out is not
written."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import msgspec

from byzer_lab.deployment import SETTINGS
from byzer_lab.records import DeploymentSpec
from byzer_lab.secrets import REFERENCE

_BARE_WORD = re.compile(r"[^\s\"'\-][^\s\"']*")
_BARE_VALUE = re.compile(r"[A-Za-z_/~][\w./:~-]*")
_PLAIN_VALUE = re.compile(r"([^\s\"'\[{][^\s\"']*)?")
_NO_TEXT = ("true", "false", "null", "True", "False", "None", "NaN", "Infinity")
_SETUPS = {
    "backend": "setup_infer_backend",
    "workers": "setup_num_workers",
    "worker_concurrency": "setup_worker_concurrency",
    "cpus_per_worker": "setup_cpus_per_worker",
    "gpus_per_worker": "setup_gpus_per_worker",
    "load_balance": "setup_load_balance_way",
}
"""Settings with a method of their own; the others are set by ``setup``."""
_FLAGS = {"backend": "infer_backend", "workers": "num_workers"}
"""Settings that the command line calls as Byzer-LLM does."""
_OF_DEPLOY = ("model_path", "pretrained_model_type", "load_timeout_s")


def as_cell(spec: DeploymentSpec, *, replace: bool = False) -> str:
    """The cell that deploys it."""
    words = ["%%llm_deploy", _word(spec.name)]
    for name, value in _given(spec).items():
        words += [f"--{name}", _word(_number(value))]
    for name, amount in spec.resources.items():
        words += ["--resource", _word(f"{name}={_number(amount)}")]
    if replace:
        words.append("--replace")
    generation = {f"generation.{name}": value for name, value in _generation(spec).items()}
    lines = [
        f"{name} = {_value(value)}" for name, value in {**spec.infer_params, **generation}.items()
    ]
    return "\n".join([" ".join(words), *lines])


def as_python(spec: DeploymentSpec, *, replace: bool = False) -> str:
    """The same with :class:`byzer_lab.ByzerLLM`."""
    calls = [*_setups(spec)]
    given = _given(spec)
    arguments = {name: given[name] for name in _OF_DEPLOY if name in given}
    arguments["udf_name"] = spec.name
    if spec.infer_params:
        arguments["infer_params"] = spec.infer_params
    if replace:
        arguments["replace"] = True
    lines = [f"    {name}={_literal(value)}," for name, value in arguments.items()]
    head = ["from byzer_lab import ByzerLLM", "", "llm = ByzerLLM()"]
    return "\n".join([*head, *calls, "llm.deploy(", *lines, ")"])


def as_shell(spec: DeploymentSpec, *, replace: bool = False) -> str:
    """The same as a command."""
    lines = [f"byzer-lab deploy --model {shlex.quote(spec.name)}"]
    for name, value in _given(spec).items():
        text = _number(value)
        sign = "=" if text.startswith("-") else " "
        lines.append(f"--{_FLAGS.get(name, name)}{sign}{shlex.quote(text)}")
    for name, amount in spec.resources.items():
        lines.append(f"--resource {shlex.quote(f'{name}={_number(amount)}')}")
    if replace:
        lines.append("--replace")
    generation = {f"generation.{name}": value for name, value in _generation(spec).items()}
    if pairs := {**spec.infer_params, **generation}:
        words = [shlex.quote(f"{name}={_pair_value(value)}") for name, value in pairs.items()]
        lines.append(" ".join(["--infer_params", *words]))
    return " \\\n    ".join(lines)


def _setups(spec: DeploymentSpec) -> Iterator[str]:
    for name, value in _given(spec).items():
        if name in _SETUPS:
            yield f"llm.{_SETUPS[name]}({_literal(value)})"
        elif name not in _OF_DEPLOY:
            yield f"llm.setup({_literal(name)}, {_literal(value)})"
    for name, amount in spec.resources.items():
        yield f"llm.setup({_literal(f'resource.{name}')}, {_literal(amount)})"
    if generation := _generation(spec):
        yield f"llm.setup_extra_generation_params({_literal(spec.name)}, {_literal(generation)})"


def _given(spec: DeploymentSpec) -> dict[str, Any]:
    """The settings that differ from their defaults; the model's path always."""
    values = {name: getattr(spec, name) for name in SETTINGS}
    return {
        name: value
        for name, value in values.items()
        if (name == "model_path" and value) or value != SETTINGS[name].default
    }


def _generation(spec: DeploymentSpec) -> dict[str, Any]:
    given: dict[str, Any] = msgspec.to_builtins(spec.generation)
    return given


def _number(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _literal(value: Any) -> str:
    """A value in Python, with the quotation marks of this code."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_literal(k)}: {_literal(v)}' for k, v in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)


def _word(text: str) -> str:
    """A word of the magic's line."""
    if _BARE_WORD.fullmatch(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _value(value: Any) -> str:
    """A value of the body."""
    if isinstance(value, str):
        bare = _BARE_VALUE.fullmatch(value) and value not in _NO_TEXT
        if bare or REFERENCE.fullmatch(value):
            return value
    return json.dumps(value, ensure_ascii=False)


def _pair_value(value: Any) -> str:
    """A value of ``--infer_params``, whose words are read as a shell reads them once more."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if _PLAIN_VALUE.fullmatch(value):
        return value
    return "'\"'".join(f'"{part}"' for part in value.split('"'))
