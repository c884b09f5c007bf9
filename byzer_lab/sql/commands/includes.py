"""``include``: other scripts, put in before anything runs."""

from __future__ import annotations

from pathlib import Path

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.engine.paths import local
from byzer_lab.sql.language.parsing import parse
from byzer_lab.sql.language.statements import Include

PASSES = 10
"""Scripts that include one another, at most."""


def included(session: SqlSession, script: str) -> str:
    """A script with the scripts that it includes in their places.

    Raises:
        InvalidRequestError: One is not there, or they include one another without an end.
    """
    for _ in range(PASSES):
        found = [one for one in parse(script) if isinstance(one, Include)]
        if not found:
            return script
        for one in found:
            text = _read(session, one)
            script = script.replace(one.source, text.rstrip().rstrip(";"), 1)
    raise InvalidRequestError(f"Scripts include one another more than {PASSES} times.")


def _read(session: SqlSession, include: Include) -> str:
    kind = include.kind.value
    if kind not in ("project", "local", "store"):
        raise InvalidRequestError(
            f"include {kind} is not supported; put the file beside the notebook and write "
            "include project.`name.bsql`."
        )
    path = local(session.variables.fill(include.path.value))
    if not path.is_absolute():
        path = Path.cwd() / path
    for candidate in (
        path,
        path.with_name(f"{path.name}.bsql"),
        path.with_name(f"{path.name}.byzer"),
    ):
        if candidate.is_file():
            return candidate.read_text(encoding="utf-8")
    raise InvalidRequestError(f"There is no script {str(path)!r} to include.")
