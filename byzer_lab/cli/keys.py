"""``keys create``, ``list`` and ``revoke``: who may use the models."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
import typer

from byzer_lab.cli.options import AsJson, Command, RayAddress
from byzer_lab.cli.output import connected, print_json, print_table
from byzer_lab.records import NewKey

app = typer.Typer(no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the key.")]


@app.command(cls=Command)
def create(
    name: Name,
    requests_per_minute: Annotated[
        int, typer.Option("--requests_per_minute", help="0: any number.", min=0)
    ] = 0,
    tokens_per_minute: Annotated[
        int, typer.Option("--tokens_per_minute", help="Of prompts and answers; 0: any.", min=0)
    ] = 0,
    ray_address: RayAddress = "auto",
    as_json: AsJson = False,
) -> None:
    """Make a key. It is printed now and never again: only its hash is kept."""
    gateway = connected(ray_address).gateway
    made = gateway.create_key(NewKey(name, requests_per_minute, tokens_per_minute))
    if as_json:
        print_json({"name": name, "key": made.key})
    else:
        typer.echo(f"The key {name}, which is shown this once:", err=True)
        typer.echo(made.key)


@app.command("list", cls=Command)
def list_keys(ray_address: RayAddress = "auto", as_json: AsJson = False) -> None:
    """The keys, without what opens anything."""
    keys = connected(ray_address).gateway.keys()
    if as_json:
        rows = [msgspec.to_builtins(key) for key in keys]
        print_json([{name: row[name] for name in row if name != "hash"} for row in rows])
        return
    print_table(
        ("name", "begins with", "requests/min", "tokens/min", "made"),
        [
            [
                key.name,
                key.hint,
                key.requests_per_minute or "any",
                key.tokens_per_minute or "any",
                time.strftime("%Y-%m-%d %H:%M", time.localtime(key.created_at)),
            ]
            for key in keys
        ],
    )


@app.command(cls=Command)
def revoke(name: Name, ray_address: RayAddress = "auto") -> None:
    """Forget a key; within two seconds every server refuses it."""
    connected(ray_address).gateway.revoke_key(name)
    typer.echo(f"The key {name} is revoked.")
