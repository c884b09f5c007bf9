"""``doctor``: what this machine has, what is missing, and how to fix it."""

from __future__ import annotations

import dataclasses

import typer

from byzer_lab.cli.options import AsJson, Command
from byzer_lab.cli.output import print_json, print_table

app = typer.Typer()


@app.command(cls=Command)
def doctor(as_json: AsJson = False) -> None:
    """Look at Python, Ray, engines, GPU, disk, ports and tokens; exit code 1 on a problem."""
    from byzer_lab.cli.checks import findings

    found = list(findings())
    if as_json:
        print_json([dataclasses.asdict(one) for one in found])
    else:
        print_table(
            ("check", "state", "found", "what to do"),
            [[one.check, one.state, one.found, one.fix] for one in found],
        )
    if any(one.state == "problem" for one in found):
        raise typer.Exit(1)
