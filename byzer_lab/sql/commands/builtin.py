"""``!show``, ``!desc`` and the other commands of scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches

import pyarrow as pa

from byzer_lab import __version__
from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.checks import CHECKS
from byzer_lab.sql.commands.operators import OPERATORS, operate
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.engine.reading import FORMATS
from byzer_lab.sql.language.commands import Arguments

Builtin = Callable[[SqlSession, Arguments], "pa.Table | str | None"]
"""A table to show, a sentence to say, or ``None``: the last table."""


def show(session: SqlSession, arguments: Arguments) -> pa.Table:
    """``!show tables`` and its kin."""
    what = " ".join(arguments.plain)
    if what == "tables":
        rows = [(name, len(_columns(session, name))) for name in session.tables.names()]
        return _rows(["tableName", "columns"], rows)
    if what == "version":
        return _rows(["version", "engine"], [(__version__, session.engine.name)])
    if what == "functions":
        own = [(f.name, f.model or "Python") for f in session.functions.values()]
        deployed = [(name, name) for name in session.models.names()]
        return _rows(["function", "model"], sorted({*own, *deployed}))
    if what in ("et", "operators"):
        return _rows(["name"], [(name,) for name in (*OPERATORS, "LLM")])
    if what == "datasources":
        return _rows(["name"], [(n,) for n in (*FORMATS, "excel", "jsonStr", "csvStr", "jdbc")])
    if what == "models":
        return _rows(["name"], [(name,) for name in session.models.names()])
    if what == "variables":
        values = session.variables.values(secrets=False)
        return _rows(["name", "value"], list(values.items()))
    raise InvalidRequestError(
        f"!show {what} is not supported; there is: tables, functions, models, variables, version, "
        "et, datasources."
    )


def desc(session: SqlSession, arguments: Arguments) -> pa.Table:
    """``!desc table``."""
    [name] = _plain(arguments, "desc", "TABLE")
    columns = session.engine.columns(session.all_of(session.tables.find(name)))
    return _rows(["col_name", "data_type"], [(column.name, column.type) for column in columns])


def println(session: SqlSession, arguments: Arguments) -> str:
    """``!println '''text'''``."""
    return " ".join(arguments.plain)


def last_command(session: SqlSession, arguments: Arguments) -> None:
    """``!lastCommand named t``."""
    name = arguments.plain[-1] if len(arguments.plain) == 2 else ""
    if not name or arguments.plain[0] != "named":
        raise InvalidRequestError("!lastCommand is written: !lastCommand named TABLE.")
    made = session.tables.find(_last(session))
    session.tables.put(name, made)
    session.last = name


def last_table_name(session: SqlSession, arguments: Arguments) -> pa.Table:
    """``!lastTableName``."""
    return _rows(["tableName"], [(_last(session),)])


def cache(session: SqlSession, arguments: Arguments) -> str:
    """``!cache t session``: its rows are kept instead of made again."""
    name = arguments.plain[0] if arguments.plain else ""
    source = session.tables.find(name)
    made = session.tables.fresh(name)
    session.engine.create(made, session.all_of(source))
    session.tables.put(name, made)
    return f"{name} is kept."


def un_cache(session: SqlSession, arguments: Arguments) -> str:
    """``!unCache t``: nothing is kept twice; a table stays as it is."""
    [name] = _plain(arguments, "unCache", "TABLE")
    session.tables.find(name)
    return f"{name} stays as it is; drop table {name} frees it."


def repartition(session: SqlSession, arguments: Arguments) -> None:
    """``!tableRepartition _ -i t -num n -o o``."""
    named = arguments.named
    if "i" not in named or "num" not in named:
        raise InvalidRequestError("!tableRepartition is written: _ -i TABLE -num N [-o TABLE].")
    source = named["i"]
    options = {"partitionNum": named["num"]}
    if "partitionCols" in named:
        options["partitionCols"] = named["partitionCols"]
    table = session.tables.find(source)
    query = operate(session, "TableRepartition", table, options)
    output = named.get("o", source)
    made = session.tables.fresh(output)
    session.engine.create(made, query)
    session.tables.put(output, made)
    session.last = output


def empty_table(session: SqlSession, arguments: Arguments) -> pa.Table:
    """``!emptyTable``."""
    return pa.table({})


def answers(session: SqlSession, arguments: Arguments) -> pa.Table:
    """``!answers``: how many are kept; ``!answers forget [model]`` removes them."""
    match list(arguments.plain):
        case []:
            store = session.store()
            return _rows(["answers", "file"], [(store.count(), str(store.path))])
        case ["forget", *names] if len(names) < 2:
            return _rows(["forgotten"], [(session.store().forget(names[0] if names else None),)])
    raise InvalidRequestError("!answers is written: !answers, or !answers forget [MODEL].")


BUILTINS: dict[str, Builtin] = {
    "show": show,
    "desc": desc,
    "println": println,
    "lastCommand": last_command,
    "lastTableName": last_table_name,
    "cache": cache,
    "unCache": un_cache,
    "tableRepartition": repartition,
    "emptyTable": empty_table,
    "answers": answers,
}
REFUSED = {
    "hdfs": "files lie on this machine: use the notebook's own commands",
    "fs": "files lie on this machine: use the notebook's own commands",
    "plugin": "there are no plugins; pip install what you need",
    "scheduler": "run scripts with byzer-lab sql from a scheduler of your own",
    "python": "a Python cell of the notebook is the place for Python",
    "pyInclude": "a Python cell of the notebook is the place for Python",
    "kill": "interrupt the cell",
    "saveFile": "write save overwrite t as csv.`PATH`",
    "profiler": "%%llm_sql --explain tells the plan",
}


def unknown(name: str) -> InvalidRequestError:
    """The refusal of a command that is not there."""
    if name in REFUSED:
        return InvalidRequestError(f"!{name} is not supported; {REFUSED[name]}.")
    known = [*BUILTINS, *CHECKS, "byzerllm", "retry", "runScript", "if"]
    close = get_close_matches(name, known, n=1)
    hint = (
        f"did you mean !{close[0]}?" if close else "a variable whose text is a script is one too."
    )
    return InvalidRequestError(f"There is no command !{name}; {hint}")


def _plain(arguments: Arguments, name: str, form: str) -> tuple[str, ...]:
    if len(arguments.plain) != len(form.split()):
        raise InvalidRequestError(f"!{name} is written: !{name} {form}.")
    return arguments.plain


def _last(session: SqlSession) -> str:
    if not session.last:
        raise InvalidRequestError("There is no last table; make one before.")
    return session.last


def _columns(session: SqlSession, name: str) -> list[str]:
    found = session.engine.columns(session.all_of(session.tables.find(name)))
    return [column.name for column in found]


def _rows(columns: list[str], rows: Sequence[tuple[object, ...]]) -> pa.Table:
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [pa.array(list(c), None if rows else pa.string()) for c in cells]
    return pa.table(arrays, names=columns)
