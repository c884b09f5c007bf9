"""The formats of ``load``, read by DuckDB: each function gives a query."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from byzer_lab.sql.engine.base import Engine
from byzer_lab.sql.engine.duck_words import literal
from byzer_lab.sql.engine.options import Options

_ALWAYS = ("inferSchema", "multiLine")
"""Options that ask of JSON what happens anyway."""


def _csv(engine: Engine, paths: list[str], options: Options) -> str:
    header = options.truth("header")
    arguments: dict[str, Any] = {
        "header": header,
        "all_varchar": not options.truth("inferSchema"),
        "union_by_name": True,
    }
    spelt = {
        "delim": options.text("sep", "delimiter"),
        "quote": options.text("quote"),
        "escape": options.text("escape"),
        "encoding": options.text("encoding", "charset").lower(),
        "nullstr": options.text("nullValue"),
        "comment": options.text("comment"),
        "dateformat": options.text("dateFormat"),
        "timestampformat": options.text("timestampFormat"),
    }
    arguments |= {key: value for key, value in spelt.items() if value}
    skipped = options.number("skipFirstNLines", "skip")
    if skipped:
        arguments["skip"] = skipped
    if options.text("mode").upper() == "DROPMALFORMED":
        arguments["ignore_errors"] = True
    options.skip(("multiLine",))
    call = _call("read_csv", paths, arguments)
    if header:
        return call
    columns = [column.name for column in engine.columns(call)]
    renamed = ", ".join(f'"{old}" as _c{place}' for place, old in enumerate(columns))
    return f"select {renamed} from ({call})"


def _json(engine: Engine, paths: list[str], options: Options) -> str:
    options.skip(_ALWAYS)
    return _call("read_json", paths, {"union_by_name": True, "maximum_object_size": 268_435_456})


def _parquet(engine: Engine, paths: list[str], options: Options) -> str:
    options.skip(("mergeSchema",))
    return _call("read_parquet", paths, {"union_by_name": True, "hive_partitioning": True})


def _lines(engine: Engine, paths: list[str], options: Options) -> str:
    whole = options.truth("wholetext", "wholeText")
    separator = options.text("lineSep", default="\n")
    read = f"select content, filename from read_text({_list(paths)})"
    if whole:
        return f"select content as value, filename as file from ({read})"
    # A last line that ends as the others do is no beginning of an empty one.
    cut = (
        f"case when ends_with(content, {literal(separator)}) "
        f"then left(content, length(content) - {len(separator)}) else content end"
    )
    split = f"unnest(string_split({cut}, {literal(separator)}))"
    value = f"rtrim({split}, chr(13))" if separator == "\n" else split
    return f"select {value} as value, filename as file from ({read}) where content <> ''"


def _files(engine: Engine, paths: list[str], options: Options) -> str:
    """Whole files as bytes, one in each row, with Spark's names."""
    read = f"read_blob({_list(paths)})"
    columns = "filename as path, last_modified as modificationTime, size as length, content"
    return f"select {columns} from {read}"


FORMATS: dict[str, Callable[[Engine, list[str], Options], str]] = {
    "csv": _csv,
    "json": _json,
    "jsonl": _json,
    "parquet": _parquet,
    "text": _lines,
    "binaryfile": _files,
}


def _call(function: str, paths: list[str], arguments: Mapping[str, Any]) -> str:
    rest = "".join(f", {key} = {_value(value)}" for key, value in arguments.items())
    return f"select * from {function}({_list(paths)}{rest})"


def _list(paths: list[str]) -> str:
    return "[" + ", ".join(literal(path) for path in paths) + "]"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else literal(str(value))
