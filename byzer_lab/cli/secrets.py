"""``secrets set``, ``list`` and ``remove``: values that ``${NAME}`` finds."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from byzer_lab.cli.options import AsJson, Command
from byzer_lab.cli.output import print_json
from byzer_lab.secret_store import remove_secret, store_secret, store_words, stored_names

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the secret.")]


@app.command("set", cls=Command)
def set_secret(name: Name) -> None:
    """Store a secret, in the system's keyring where there is one. Its value is asked for, or read
    from stdin; it is never an argument."""
    if sys.stdin.isatty():
        value = typer.prompt(f"Value of {name}", hide_input=True)
    else:
        value = sys.stdin.read().strip()
    store_secret(name, value)
    typer.echo(f"{name} is stored in {store_words()}; refer to it as ${{{name}}}.")


@app.command("list", cls=Command)
def list_secrets(as_json: AsJson = False) -> None:
    """Names of the stored secrets, without their values."""
    names = stored_names()
    if as_json:
        print_json(names)
    else:
        typer.echo("\n".join(names) or "No secret is stored.")


@app.command(cls=Command)
def remove(name: Name) -> None:
    """Forget a secret. Deployments that were made with it keep their copy."""
    remove_secret(name)
    typer.echo(f"{name} is removed.")
