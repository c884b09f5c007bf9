"""What commands print: tables, JSON, progress. Results go to stdout, the rest to stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from byzer_lab.records import LogLine, OperationRecord

if TYPE_CHECKING:
    from byzer_lab.client.session import Session

NOT_RUNNING = 3
"""Exit code of commands that need a running Byzer Lab where there is none."""
FOLLOW_WAIT_S = 20.0
"""How long one request for lines of a log may wait for them."""


def print_json(value: Any) -> None:
    """JSON with the letters of every language."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """A table; plain columns where stdout is no terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    console = Console(soft_wrap=not sys.stdout.isatty())
    if not sys.stdout.isatty():
        console.width = 10_000  # what reads a pipe wants whole lines
    console.print(table)


def print_log(
    read: Callable[[int, float], Sequence[LogLine]],
    words: Callable[[LogLine], str],
    *,
    lines: int,
    follow: bool,
    as_json: bool,
    ended: Callable[[], bool] = lambda: False,
) -> None:
    """The last lines of a log, and where wanted those that come.

    Args:
        read: Lines after a number, waiting so many seconds for the first.
        words: What is printed behind a line's time.
        lines: So many last lines.
        follow: Go on with what comes.
        as_json: Print each line as a JSON object.
        ended: Whether nothing more will be written.
    """
    import msgspec

    after, wait_s = (-lines if lines else 0), 0.0
    while True:
        last = ended()
        page = read(after, 0.0 if last else wait_s)
        for line in page:
            if as_json:
                typer.echo(msgspec.json.encode(line).decode())
            else:
                when = time.strftime("%H:%M:%S", time.localtime(line.time))
                typer.echo(f"{when} {words(line)}")
        if not follow or (last and not page):
            return
        after = page[-1].seq if page else max(after, 0)
        wait_s = FOLLOW_WAIT_S


def connected(ray_address: str) -> Session:
    """The running Byzer Lab; none is started.

    Raises:
        typer.Exit: There is none.
    """
    from byzer_lab.client.session import existing_session, session

    if ray_address not in ("", "auto"):
        return session(ray_address)
    found = existing_session()
    if found is None:
        typer.echo("Byzer Lab is not running; 'byzer-lab up' starts it.", err=True)
        raise typer.Exit(NOT_RUNNING)
    return found


class Progress:
    """The steps of an operation on stderr: a bar on a terminal, else a line for each phase."""

    def __init__(self) -> None:
        self._phase = ""
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task("starting", total=None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def step(self, phase: str, share: float | None = None) -> None:
        """Show what is being done."""
        if self._bar:
            total = None if share is None else 1.0
            self._bar.update(self._task, description=phase, completed=share or 0, total=total)
        elif phase and phase != self._phase:
            typer.echo(phase, err=True)
        self._phase = phase

    def operation(self, change: OperationRecord) -> None:
        """Show a change of an operation."""
        self.step(f"{change.deployment}: {change.phase}" if change.phase else "", change.progress)
