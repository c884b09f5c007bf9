"""``%%llm_sql``: Byzer-SQL in a cell, with models as functions."""

from __future__ import annotations

import atexit
import keyword
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from byzer_lab.records import OperationRecord
from byzer_lab_magics.arguments import Arguments
from byzer_lab_magics.connection import connect
from byzer_lab_magics.failures import interrupted
from byzer_lab_magics.job_following import following
from byzer_lab_magics.options import Option
from byzer_lab_magics.show import StateLine, say
from byzer_lab_magics.sql_progress import SqlProgress, summary
from byzer_lab_magics.sql_table import SqlTable

if TYPE_CHECKING:
    from byzer_lab.sql.commands.running import Way
    from byzer_lab.sql.commands.session import SqlSession

SQL = Arguments(
    "llm_sql",
    "Run Byzer-SQL; deployed models are functions of its queries. An interrupt keeps what was "
    "answered.",
    ["%%llm_sql [options]", "%llm_sql [options] STATEMENT"],
    [],
    [
        Option("output", "keep the last table in this variable", metavar="NAME", short="o"),
        Option(
            "frame",
            "what the variable is",
            default="pandas",
            values=("pandas", "polars", "arrow"),
            only_values=True,
        ),
        Option("rows", "rows of the last table that are shown", "integer", 100, metavar="N"),
        Option("explain", "tell how each table was made, with the calls that were lifted", "flag"),
        Option("dry_run", "count the questions to the models and ask none", "flag"),
        Option("max_calls", "ask no more questions than this", "integer", metavar="N"),
        Option("max_tokens", "begin no question after so many tokens", "integer", metavar="N"),
        Option("fresh", "ask again what was answered before", "flag"),
        Option(
            "engine",
            "what runs this cell: duckdb, spark, or an address of Spark such as sc://HOST:PORT; "
            'default: what set engine=... where type="conf" chose, else duckdb',
            values=("duckdb", "spark"),
            metavar="NAME",
        ),
        Option(
            "dialect",
            "dialect of the queries",
            default="spark",
            values=("spark", "duckdb"),
            only_values=True,
        ),
    ],
    "Tables, session variables and functions stay from cell to cell; DataFrames of the notebook "
    "are tables by their names. Answers are kept: the same question to the same model is paid for "
    "once. See docs/sql.md.",
)

_sessions: dict[int, SqlSession] = {}


def session_of(shell: Any, *, allow_shell: bool = False) -> SqlSession:
    """The session of a notebook; made on first use."""
    found = _sessions.get(id(shell))
    if found is None:
        from byzer_lab.sql.commands.session import SqlSession  # with DuckDB: not at load time

        if not _sessions:
            atexit.register(close_sessions)
        found = _sessions[id(shell)] = SqlSession(data=shell.user_ns.get)
    found.allow_shell = allow_shell
    return found


def known_session(shell: Any) -> SqlSession | None:
    """The session of a notebook where a cell has made one."""
    return _sessions.get(id(shell))


def close_sessions() -> None:
    """Free all sessions."""
    while _sessions:
        _sessions.popitem()[1].close()


def llm_sql(
    shell: Any, options: dict[str, Any], body: str, allow_shell: bool = False
) -> SqlTable | None:
    """Run ``%%llm_sql``.

    Args:
        shell: IPython's shell.
        options: The read line.
        body: The script.
        allow_shell: ``set type="shell"`` may run commands.

    Returns:
        The last table; ``None`` where no statement makes one.
    """
    name = options["output"]
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"%llm_sql: --output {name} is not a name that a variable can have.")
    for option in ("max_calls", "max_tokens", "rows"):
        if options[option] is not None and options[option] < 0:
            raise UsageError(f"%llm_sql: --{option} is {options[option]}; it can't be negative.")
    if not body.strip():
        raise UsageError("The script is empty; write it below %%llm_sql, or after %llm_sql.")
    from byzer_lab.sql.commands.running import Runner

    session = session_of(shell, allow_shell=allow_shell)
    session.use(options["engine"] or session.chosen)
    way = _way(shell, options)
    made = _run(shell, Runner(session, way), way, body)
    if not made:
        return None
    table = SqlTable.of(session.engine, made, options["rows"], way.report)
    if name:
        from byzer_lab.sql.engine.frames import as_frame

        whole = session.engine.query(session.all_of(made))
        shell.user_ns[name] = as_frame(whole, options["frame"])
    return table


def _way(shell: Any, options: dict[str, Any]) -> Way:
    from byzer_lab.sql.commands.running import Way
    from byzer_lab.sql.models.answering import Budget

    return Way(
        budget=Budget(
            max_calls=options["max_calls"],
            max_tokens=options["max_tokens"],
            dry=bool(options["dry_run"]),
            fresh=bool(options["fresh"]),
        ),
        dialect=options["dialect"],
        say=lambda text: say(shell, text),
        deploying=_deploying(shell),
        watching=following(shell, lambda: connect(shell).gateway),
        planned=(lambda text: say(shell, text)) if _tells(options) else None,
    )


def _tells(options: dict[str, Any]) -> bool:
    return bool(options["explain"] or options["dry_run"])


def _run(shell: Any, runner: Any, way: Way, body: str) -> str:
    progress = SqlProgress(shell, way.report)
    try:
        with progress:
            made: str = runner.run(body)
    except KeyboardInterrupt:
        progress.end("cancelled", f"interrupted; {summary(way.report)}")
        raise interrupted("The script was interrupted; what was answered is kept.") from None
    except Exception:
        progress.end("failed", summary(way.report))
        raise
    progress.end("succeeded", summary(way.report))
    return made


def _deploying(shell: Any) -> Callable[..., None]:
    def deploying(name: str, deploy: Callable[[Callable[[OperationRecord], None]], None]) -> None:
        connect(shell)  # shows how a cluster starts
        line = StateLine(shell, name)
        line.running("deploying")

        def told(record: OperationRecord) -> None:
            if record.state == "running":
                line.running(record.phase, record.progress)

        try:
            with line.ticking():
                deploy(told)
        except BaseException as error:
            state = "cancelled" if isinstance(error, KeyboardInterrupt) else "failed"
            line.end(state, f"deploy {state} after {line.seconds:.1f} s")
            raise
        line.end("succeeded", f"ready · a function of SQL now · {line.seconds:.1f} s")

    return deploying
