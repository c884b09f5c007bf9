"""Write the table of vLLM's engine arguments, ``byzer_lab/engines/vllm/arguments.json``.

The registry checks a deployment's parameters against the table without importing vLLM. Run it
with the installed vLLM after an update of it; ``tests/engines/test_vllm_parameters.py`` says so
when the table is out of date.

    .venv/bin/python tools/vllm_arguments.py
"""

import dataclasses
import enum
import json
import typing
from pathlib import Path
from typing import Any

TABLE = Path(__file__).parent.parent / "byzer_lab" / "engines" / "vllm" / "arguments.json"
NOTES = Path(__file__).with_name("vllm_notes.json")
# What the engine decides itself, and what belongs to vLLM's own server.
LEFT_OUT = {
    "model",
    "skip_tokenizer_init",
    "logging_config",
    "log_config_file",
    "tokens_only",
    "_api_process_count",
    "_api_process_rank",
}


def describe_arguments() -> dict[str, dict[str, Any]]:
    """The table as the installed vLLM has it: kind, default and choices of each argument."""
    from vllm.engine.arg_utils import AsyncEngineArgs, get_type_hints

    notes: dict[str, dict[str, Any]] = json.loads(NOTES.read_text())
    table = {}
    for field in dataclasses.fields(AsyncEngineArgs):
        if field.name in LEFT_OUT:
            continue
        hints = get_type_hints(field.type)
        entry: dict[str, Any] = {"kind": _kind(hints)}
        if entry["kind"] == "list" and _items(hints) is int:
            entry["items"] = "int"
        entry["default"] = _default(field)
        choices = _choices(field.name, hints)
        if choices:
            entry["choices"] = choices
        entry.update(notes.pop(field.name, {}))
        table[field.name] = entry
    if notes:
        raise SystemExit(f"{NOTES.name} describes what vLLM no longer has: {', '.join(notes)}")
    return table


def _kind(hints: set[Any]) -> str:
    bare = {typing.get_origin(hint) or hint for hint in hints} - {type(None)}
    if {bool, str} <= bare or {dict, str} <= bare:
        return "str"
    for kinds, name in (
        ({bool}, "bool"),
        ({list, tuple, set}, "list"),
        ({dict}, "dict"),
        ({int}, "int"),
        ({float}, "float"),
        ({str}, "str"),
    ):
        if bare & kinds:
            return name
    for hint in bare:
        if isinstance(hint, str) and hint.startswith("dict["):  # not resolved by vLLM itself
            return "dict"
        if hint is typing.Literal:
            (literal,) = (one for one in hints if typing.get_origin(one) is typing.Literal)
            return type(typing.get_args(literal)[0]).__name__
        if isinstance(hint, type) and issubclass(hint, enum.IntEnum):
            return "int"
        if isinstance(hint, type) and issubclass(hint, enum.Enum):
            return "str"
        if dataclasses.is_dataclass(hint):
            return "dict"
        if isinstance(hint, type) and issubclass(hint, int):
            return "int"
    raise SystemExit(f"no kind for {hints}")


def _items(hints: set[Any]) -> Any:
    (listed,) = (one for one in hints if typing.get_origin(one) in (list, tuple, set))
    return typing.get_args(listed)[0]


def _choices(name: str, hints: set[Any]) -> list[str]:
    if name == "quantization":
        from vllm.model_executor.layers.quantization import QUANTIZATION_METHODS

        return sorted(QUANTIZATION_METHODS)
    if str in hints or name == "collect_detailed_traces":
        return []
    found = [one for one in hints if typing.get_origin(one) is typing.Literal]
    options = typing.get_args(found[0]) if found else ()
    return [option for option in options if isinstance(option, str)]


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is dataclasses.MISSING:
        return None
    default = field.default.value if isinstance(field.default, enum.Enum) else field.default
    return default if isinstance(default, bool | int | float | str) else None


def main() -> None:
    """Write the table, a line per argument."""
    lines = [f"  {json.dumps(name)}: {json.dumps(e)}" for name, e in describe_arguments().items()]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"{TABLE.name}: {len(lines)} arguments")


if __name__ == "__main__":
    main()
