"""A script into statements: a recursive descent over its tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from byzer_lab.sql.language.chat import is_chat, read_chat
from byzer_lab.sql.language.commands import read_command
from byzer_lab.sql.language.conditions import nested
from byzer_lab.sql.language.options import (
    all_options,
    expect_end,
    read_name,
    read_options,
    read_value,
    shown,
    text_of,
)
from byzer_lab.sql.language.places import nearest
from byzer_lab.sql.language.queries import read_passed, read_select
from byzer_lab.sql.language.statements import (
    Connect,
    Include,
    Load,
    Options,
    Quoting,
    Register,
    Run,
    Save,
    Set,
    Statement,
    Text,
    Unregister,
)
from byzer_lab.sql.language.tokens import Kind, Tokens

TYPES = ("text", "defaultParam", "sql", "shell", "conf")
SCOPES = ("request", "session", "application", "un_request")
MODES = ("overwrite", "append", "errorIfExists", "ignore")

T = TypeVar("T", bound=Statement)
Reader = Callable[[Tokens, int], Statement]


def parse(script: str) -> tuple[Statement, ...]:
    """Read a script, or a chat cell.

    Args:
        script: The text of a cell. The ``;`` of its last statement may be missing.

    Returns:
        Its statements; what stands between ``!if`` and ``!fi`` is in one of them.

    Raises:
        ScriptError: The text is no Byzer-SQL; it says where and what is expected.
    """
    if is_chat(script):
        return (read_chat(script),)
    tokens = Tokens(script)
    statements: list[Statement] = []
    while (token := tokens.peek()) is not None:
        if token.is_mark(";"):
            tokens.take()
        elif token.is_mark("!"):
            tokens.take()
            statements.append(read_command(tokens, token.start))
        else:
            reader = READERS.get(token.text.lower()) if token.kind is Kind.WORD else None
            if reader is None:
                raise _unknown(tokens)
            statements.append(reader(tokens, token.start))
    return nested(statements, script)


def _unknown(tokens: Tokens) -> Exception:
    token = tokens.peek()
    assert token is not None
    hint = nearest(token.text, READERS) if token.kind is Kind.WORD else ""
    return tokens.error(
        f"expected a statement, found {shown(token)}",
        hint or f"Statements begin with {', '.join(READERS)} or `!`.",
    )


def _source(tokens: Tokens, start: int) -> str:
    return tokens.text[start : tokens.offset].rstrip().removesuffix(";").rstrip()


def _keyword(tokens: Tokens, *words: str, what: str) -> None:
    token = tokens.peek()
    if token is None or not token.is_word(*words):
        raise tokens.error(f"expected `{words[0]}` {what}, found {shown(token)}")
    tokens.take()


def _format_and_path(tokens: Tokens, what: str, example: str) -> tuple[Text, Text]:
    """``csv.`path```."""
    name = read_name(tokens, what)
    while True:
        dot = tokens.peek()
        if dot is None or not dot.is_mark("."):
            raise tokens.error(
                f"expected `.` and a path in back quotes behind {name}, found {shown(dot)}",
                f"For example: {example}",
            )
        tokens.take()
        token = tokens.peek()
        if token is not None and token.kind in (Kind.BACK, Kind.STRING, Kind.BLOCK):
            tokens.take()
            return name, text_of(tokens, token)
        more = read_name(tokens, "a path in back quotes")
        after = tokens.peek()
        if after is None or not after.is_mark("."):
            return name, more
        name = Text(f"{name}.{more}", name.at, Quoting.NONE)


def _output(tokens: Tokens) -> Text | None:
    token = tokens.peek()
    if token is None or not token.is_word("as"):
        return None
    tokens.take()
    return read_name(tokens, "a table's name")


def _set(tokens: Tokens, start: int) -> Set:
    tokens.take()
    name = read_name(tokens, "the name of a variable", dotted=True)
    token = tokens.peek()
    if token is None or not token.is_mark("="):
        raise tokens.error(
            f"expected `=` behind `set {name}`, found {shown(token)}", 'Write set name="value";'
        )
    tokens.take()
    value = read_value(tokens, f"`{name}`")
    options = all_options(read_options(tokens))
    expect_end(tokens, "the value of set")
    found = {
        "type": _one_of(tokens, options, "type", TYPES),
        "scope": _one_of(tokens, options, "scope", SCOPES),
        "mode": _one_of(tokens, options, "mode", ("runtime", "compile")),
    }
    secret = _one_of(tokens, options, "visibility", ("all", "un_select")) == "un_select"
    source = _source(tokens, start)
    return Set(tokens.position(start), source, name, value, **found, secret=secret, options=options)


def _one_of(tokens: Tokens, options: Options, key: str, known: tuple[str, ...]) -> str:
    """The value of an option that has few, in its right spelling; default: the first."""
    given = options.get(key, known[0])
    for value in known:
        if value.lower() == given.lower():
            return value
    place = options.option(key).value.at
    line = tokens.text.split("\n")[: place.line - 1]
    offset = sum(len(text) + 1 for text in line) + place.column - 1
    raise tokens.error(
        f"`{key}` of set is one of {', '.join(known)}, not `{given}`",
        nearest(given, known),
        offset,
    )


def _load(tokens: Tokens, start: int) -> Load:
    tokens.take()
    example = 'load csv.`/data/t.csv` where header="true" as t;'
    format_, path = _format_and_path(tokens, "a format", example)
    options = read_options(tokens)
    _keyword(tokens, "as", what="and a table's name at the end of load")
    table = read_name(tokens, "a table's name")
    expect_end(tokens, "load")
    at, source = tokens.position(start), _source(tokens, start)
    return Load(at, source, format_, path, all_options(options), table)


def _save(tokens: Tokens, start: int) -> Save:
    tokens.take()
    example = "save overwrite t as parquet.`/data/t`;"
    mode = "errorIfExists"
    first = read_name(tokens, "a table's name")
    known = {one.lower(): one for one in MODES}
    following = tokens.peek()
    while first.value.lower() in known and following and not following.is_word("as", "into"):
        mode = known[first.value.lower()]
        first = read_name(tokens, "a table's name")
        following = tokens.peek()
    hint_at = tokens.peek()
    if hint_at is not None and not hint_at.is_word("as", "into"):
        raise tokens.error(
            f"expected `as` and a format behind `save {first}`, found {shown(hint_at)}",
            nearest(first.value, known) or f"For example: {example}",
        )
    _keyword(tokens, "as", "into", what="and a format at the end of save")
    format_, path = _format_and_path(tokens, "a format", example)
    before = read_options(tokens)
    columns: list[Text] = []
    token = tokens.peek()
    if token is not None and token.is_word("partitionby"):
        tokens.take()
        columns.append(read_name(tokens, "a column"))
        while (token := tokens.peek()) is not None and token.is_mark(","):
            tokens.take()
            columns.append(read_name(tokens, "a column"))
    after = read_options(tokens) if columns else ()
    expect_end(tokens, "save")
    at, source = tokens.position(start), _source(tokens, start)
    options = all_options(before, after)
    return Save(at, source, mode, first, format_, path, options, tuple(columns))


def _run(tokens: Tokens, start: int) -> Run:
    token = tokens.take()
    assert token is not None
    verb = token.text.lower()
    table = read_name(tokens, "a table's name")
    _keyword(tokens, "as", "into", what=f"and an operator behind `{verb} {table}`")
    example = f"{verb} command as LLM.`` where ...;"
    operator, path = _format_and_path(tokens, "an operator", example)
    before = read_options(tokens)
    output = _output(tokens)
    after = read_options(tokens) if output else ()
    expect_end(tokens, verb)
    at, source = tokens.position(start), _source(tokens, start)
    return Run(at, source, verb, table, operator, path, all_options(before, after), output)


def _register(tokens: Tokens, start: int) -> Register:
    tokens.take()
    example = 'register ScriptUDF.`` as plus where lang="python" and code=...;'
    operator, path = _format_and_path(tokens, "an operator", example)
    before = read_options(tokens)
    _keyword(tokens, "as", what="and a function's name behind register")
    function = read_name(tokens, "a function's name")
    after = read_options(tokens)
    expect_end(tokens, "register")
    at, source = tokens.position(start), _source(tokens, start)
    return Register(at, source, operator, path, function, all_options(before, after))


def _unregister(tokens: Tokens, start: int) -> Unregister:
    tokens.take()
    operator, path = _format_and_path(tokens, "an operator", "unregister ScriptUDF.`plus`;")
    options = read_options(tokens)
    expect_end(tokens, "unregister")
    at, source = tokens.position(start), _source(tokens, start)
    return Unregister(at, source, operator, path, all_options(options))


def _connect(tokens: Tokens, start: int) -> Connect:
    tokens.take()
    format_ = read_name(tokens, "a format")
    options = read_options(tokens)
    _keyword(tokens, "as", what="and a name at the end of connect")
    name = read_name(tokens, "a name for the connection")
    expect_end(tokens, "connect")
    at, source = tokens.position(start), _source(tokens, start)
    return Connect(at, source, format_, all_options(options), name)


def _include(tokens: Tokens, start: int) -> Include:
    tokens.take()
    kind, path = _format_and_path(tokens, "a kind", "include project.`src/common.bsql`;")
    options = read_options(tokens)
    expect_end(tokens, "include")
    at, source = tokens.position(start), _source(tokens, start)
    return Include(at, source, kind, path, all_options(options))


READERS: dict[str, Reader] = {
    "set": _set,
    "load": _load,
    "select": read_select,
    "with": read_select,
    "save": _save,
    "run": _run,
    "train": _run,
    "predict": _run,
    "register": _register,
    "unregister": _unregister,
    "connect": _connect,
    "include": _include,
    "create": read_passed,
    "insert": read_passed,
    "drop": read_passed,
    "refresh": read_passed,
}
"""What a statement begins with."""
