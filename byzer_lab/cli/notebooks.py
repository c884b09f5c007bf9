"""``notebooks list`` and ``export``: the example notebooks, to work with."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from byzer_lab.cli.options import AsJson, Command
from byzer_lab.cli.output import print_json
from byzer_lab.errors import ConflictError, NotFoundError

app = typer.Typer(no_args_is_help=True)


def examples() -> list[Path]:
    """The notebooks that came with this package, or lie in its checkout.

    Raises:
        NotFoundError: There are none.
    """
    package = Path(__file__).parent.parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if found := sorted(folder.glob("*.ipynb")):
            return found
    raise NotFoundError("This installation has no example notebooks.")


@app.command("list", cls=Command)
def list_notebooks(as_json: AsJson = False) -> None:
    """The example notebooks."""
    names = [path.name for path in examples()]
    if as_json:
        print_json(names)
    else:
        typer.echo("\n".join(names))


@app.command(cls=Command)
def export(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where to put them.", file_okay=False)
    ] = Path("notebooks"),
    force: Annotated[bool, typer.Option("--force", help="Replace files of the same name.")] = False,
) -> None:
    """Copy the example notebooks into a folder."""
    found = examples()
    there = [path.name for path in found if (folder / path.name).exists()]
    if there and not force:
        raise ConflictError(
            f"{folder} has {', '.join(there)} already; choose another folder, or add --force."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for path in found:
        shutil.copyfile(path, folder / path.name)
        typer.echo(str(folder / path.name))
