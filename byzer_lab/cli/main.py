"""The ``byzer-lab`` command. A failure is one sentence on stderr.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 Byzer Lab is not running, 130 interrupted.
"""

from __future__ import annotations

import sys

import typer

from byzer_lab.cli import (
    asking,
    cluster,
    deploying,
    doctor,
    keys,
    looking,
    notebooks,
    scripts,
    secrets,
    serving,
    training,
)
from byzer_lab.errors import ByzerLabError

app = typer.Typer(
    help="Byzer Lab: the LLM workbench inside JupyterLab.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for group in (cluster, deploying, asking, looking, training, scripts, serving, doctor):
    app.add_typer(group.app)
app.add_typer(training.jobs, name="jobs", help="Trainings and what became of them.")
app.add_typer(keys.app, name="keys", help="Keys for the models' server.")
app.add_typer(secrets.app, name="secrets", help="Values that ${NAME} finds.")
app.add_typer(notebooks.app, name="notebooks", help="The example notebooks.")


def main() -> None:
    """Entry point."""
    try:
        app()
    except ByzerLabError as error:
        typer.echo(error.message, err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
