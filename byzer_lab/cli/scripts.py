"""``sql``: scripts of Byzer-SQL."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from byzer_lab.cli.options import AsJson, Command, pairs_of
from byzer_lab.cli.output import print_json, print_table
from byzer_lab.errors import InvalidRequestError

app = typer.Typer()
DIALECTS = ("spark", "duckdb")


@app.command(cls=Command)
def sql(
    script: Annotated[str, typer.Argument(help="File of the script; - reads stdin.")],
    variables: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE ...: variables of the script.")
    ] = None,
    rows: Annotated[int, typer.Option(min=0, help="Rows of the last table to print.")] = 100,
    output_file: Annotated[
        Path | None,
        typer.Option("--output_file", help="Write the last table there: csv, json, parquet, xlsx."),
    ] = None,
    explain: Annotated[bool, typer.Option(help="Tell how each table was made.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry_run", help="Count the questions to models, ask none.")
    ] = False,
    max_calls: Annotated[
        int | None, typer.Option("--max_calls", min=0, help="Ask no more questions than this.")
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option("--max_tokens", min=0, help="Begin no question after so many tokens."),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="duckdb, spark, or an address of Spark such as sc://HOST:PORT.")
    ] = "duckdb",
    dialect: Annotated[str, typer.Option(help="Of the queries: spark or duckdb.")] = "spark",
    allow_shell: Annotated[
        bool, typer.Option("--allow_shell", help='Let set ... where type="shell" run commands.')
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Run a script of Byzer-SQL and print its last table."""
    if dialect not in DIALECTS:
        raise typer.BadParameter(f"--dialect is {dialect!r}; it must be spark or duckdb.")
    text = _text(script)
    from byzer_lab.sql.commands.running import Runner, Way
    from byzer_lab.sql.commands.session import SqlSession
    from byzer_lab.sql.commands.variables import Variable
    from byzer_lab.sql.models.answering import Budget

    session = SqlSession(allow_shell=allow_shell, engine=engine)
    try:
        for name, value in pairs_of(variables, "--set").items():
            session.variables.set(name, Variable(str(value)), "session")
        way = Way(
            budget=Budget(max_calls, max_tokens, dry_run),
            dialect="duckdb" if dialect == "duckdb" else "spark",
            say=_say,
            planned=_say if explain or dry_run else None,
        )
        made = Runner(session, way).run(text)
        if made:
            _show(session, made, rows, output_file, as_json=as_json)
    finally:
        session.close()


def _text(script: str) -> str:
    if script == "-":
        return sys.stdin.read()
    try:
        return Path(script).read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidRequestError(f"{script} can't be read: {error.strerror}.") from error


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _show(session: Any, made: str, rows: int, output_file: Path | None, *, as_json: bool) -> None:
    from byzer_lab.sql.engine.base import Place

    engine, query = session.engine, session.all_of(made)
    if output_file:
        kind = {"xlsx": "excel", "txt": "text"}.get(output_file.suffix[1:], output_file.suffix[1:])
        given = {"header": "true"} if kind == "csv" else {}
        engine.write(query, Place(kind, str(output_file.absolute()), given, "overwrite"))
        _say(f"The table is in {output_file}.")
        return
    shown = engine.query(f"{query} limit {rows}").to_pylist()
    if as_json:
        print_json(json.loads(json.dumps(shown, ensure_ascii=False, default=str)))
        return
    columns = [column.name for column in engine.columns(query)]
    cells = [["NULL" if row[name] is None else row[name] for name in columns] for row in shown]
    print_table(columns, cells)
