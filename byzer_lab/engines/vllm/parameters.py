"""The infer parameters of the vLLM backend: vLLM's own engine arguments, and a few of ours.

``arguments.json`` is a table of vLLM's arguments, written by ``tools/vllm_arguments.py``, so that
checking a deployment imports no vLLM. Each may be given with Byzer-LLM's prefix ``backend.``.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from byzer_lab.engines.checks import wrong_ranks
from byzer_lab.errors import InvalidRequestError
from byzer_lab.schema import Kind, ParameterInfo, read_values

log = logging.getLogger(__name__)

PREFIX = "backend."
OWNER = "The vllm backend"
TABLE = Path(__file__).with_name("arguments.json")
_KINDS: dict[str, Kind] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "list": list,
    "dict": dict,
}

OWN = (
    ParameterInfo("adapters", dict, None, "LoRA adapters: a name and a folder made by PEFT each."),
    ParameterInfo(
        "num_threads",
        int,
        None,
        "Processor threads of one worker; by default a share of the machine.",
        least=1,
    ),
    ParameterInfo(
        "cpu_kv_cache_gib",
        float,
        None,
        "Size of the key-value cache on a processor; by default by model, concurrency and memory.",
        unit="GiB",
        above=0,
    ),
    ParameterInfo(
        "engine_args",
        dict,
        None,
        "More arguments of vLLM, for a version with other ones than this list; passed as they are.",
    ),
)

RANKS = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
"""Arguments whose product is the number of ranks."""

LORA_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What ``max_lora_rank`` may be."""

REFUSED = {
    "model": "the model is the deployment's model_path",
    "skip_tokenizer_init": "prompts and answers need the tokenizer",
    "tokens_only": "prompts and answers need the tokenizer",
    "logging_config": "the worker's log has everything that vLLM writes; log_level sets how much",
    "log_config_file": "the worker's log has everything that vLLM writes; log_level sets how much",
}
LEFT_OUT = {
    "engine_use_ray": "the engine's worker is a process of Ray already",
    "udfName": "the deployment's name says it",
    "swap_space": "vLLM computes a request again that had to give its place up",
    "use_v2_block_manager": "vLLM has one way only",
    "num_lookahead_slots": "speculative_config says it",
    "max_context_len_to_capture": "max_cudagraph_capture_size says it",
    "max_seq_len_to_capture": "max_cudagraph_capture_size says it",
    "disable_log_requests": "requests are not logged unless enable_log_requests says so",
    "device": "vLLM's build decides it",
}
"""Names of earlier versions without which nothing is lost."""


@dataclass(frozen=True)
class Parameters:
    """What a deployment sets.

    Attributes:
        arguments: vLLM's engine arguments, each as its kind.
        more: Arguments that are passed to vLLM unchecked.
        adapters: Folder of each LoRA adapter, by its name.
        num_threads: Processor threads; ``None`` for a share of the machine.
        cpu_kv_cache_gib: Size of the cache on a processor; ``None`` to compute it.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    adapters: dict[str, str] = field(default_factory=dict)
    num_threads: int | None = None
    cpu_kv_cache_gib: float | None = None


@cache
def describe_parameters() -> tuple[ParameterInfo, ...]:
    """All infer parameters: ours, then vLLM's."""
    return (*(_with_prefix(info) for info in OWN), *_engine_arguments())


def read_parameters(given: Mapping[str, Any], gpus: float = 0) -> Parameters:
    """Check infer parameters.

    Args:
        given: As the deployment has them, with or without ``backend.``.
        gpus: Of one worker; 0 on processors, where ranks are processes.

    Raises:
        InvalidRequestError: An unknown name, the same one twice, a value that doesn't fit, or more
            or fewer ranks than GPUs.
    """
    known = {name: info for info in describe_parameters() for name in (info.name, *info.aliases)}
    asked = {}
    for name, value in given.items():
        plain = name.removeprefix(PREFIX)
        if plain == "worker_use_ray":
            _note_ray(value)
        elif plain in LEFT_OUT:
            log.warning("%s is left out: %s.", name, LEFT_OUT[plain])
        elif plain in REFUSED:
            raise InvalidRequestError(f"{name} can't be set: {REFUSED[plain]}.", parameter=name)
        elif name not in known:
            raise _unknown(name, plain)
        else:
            asked[name] = value
            if plain == "quantization" and isinstance(value, str):
                asked[name] = value.lower()
    values = read_values(describe_parameters(), asked, OWNER)
    own = {info.name: values.pop(info.name, None) for info in OWN}
    adapters = _check_adapters(own["adapters"] or {}, values)
    _check_ranks(values, gpus)
    return Parameters(
        values, own["engine_args"] or {}, adapters, own["num_threads"], own["cpu_kv_cache_gib"]
    )


def _engine_arguments() -> list[ParameterInfo]:
    table: dict[str, dict[str, Any]] = json.loads(TABLE.read_text())
    described = []
    for name, entry in table.items():
        facts = {key: entry[key] for key in ("unit", "least", "above", "most") if key in entry}
        described.append(
            ParameterInfo(
                name,
                _KINDS[entry["kind"]],
                entry["default"],
                entry.get("help", f"vLLM's engine argument {name}."),
                choices=tuple(entry.get("choices", ())),
                aliases=(PREFIX + name,),
                items=_KINDS[entry.get("items", "str")],
                **facts,
            )
        )
    return described


def _with_prefix(info: ParameterInfo) -> ParameterInfo:
    return replace(info, aliases=(PREFIX + info.name,))


def _unknown(name: str, plain: str) -> InvalidRequestError:
    names = [info.name for info in describe_parameters()]
    close = get_close_matches(plain, names, n=3)
    hint = (
        f"did you mean {' or '.join(close)}?"
        if close
        else "what it has are vLLM's engine arguments, and those that another version of vLLM has "
        "go into engine_args."
    )
    return InvalidRequestError(f"{OWNER} has no parameter {name!r}; {hint}", parameter=name)


def _note_ray(value: Any) -> None:
    """Byzer-LLM's way to say how several GPUs are run."""
    log.warning(
        "worker_use_ray=%s is left out: a worker with several GPUs runs them in its placement "
        "group of Ray; distributed_executor_backend says otherwise.",
        value,
    )


def _check_ranks(arguments: Mapping[str, Any], gpus: float) -> None:
    given = {name: arguments[name] for name in RANKS if name in arguments}
    ranks = math.prod(given.values())
    rest = gpus % ranks if "tensor_parallel_size" not in given else gpus - ranks
    if (gpus >= 1 and rest) or 0 < gpus < 1 < ranks:
        words = " and ".join(f"{name} is {value}" for name, value in given.items())
        raise wrong_ranks(words, gpus, ranks)


def _check_adapters(adapters: dict[str, Any], arguments: Mapping[str, Any]) -> dict[str, str]:
    for name, path in adapters.items():
        if not name or not isinstance(path, str) or not path:
            raise InvalidRequestError(
                f"adapters has {name!r}: {path!r}; it must map names to folders, such as "
                '{"sql": "/models/sql-lora"}.'
            )
    most = arguments.get("max_lora_rank")
    if most is not None and most not in LORA_RANKS:
        raise InvalidRequestError(
            f"max_lora_rank is {most}; vLLM takes {', '.join(map(str, LORA_RANKS))}."
        )
    if adapters and arguments.get("enable_lora") is False:
        raise InvalidRequestError("adapters are given, but enable_lora is false; leave one out.")
    return dict(adapters)
