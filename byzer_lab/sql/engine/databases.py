"""Addresses of databases, as JDBC writes them, for DuckDB."""

from __future__ import annotations

import re
from collections.abc import Mapping

from byzer_lab.errors import InvalidRequestError
from byzer_lab.sql.engine.options import Options
from byzer_lab.sql.engine.paths import local

_URL = re.compile(r"(?:jdbc:)?(sqlite|duckdb|postgresql|postgres|mysql):(.*)", re.S)
_EXTENSIONS = {"postgresql": "postgres", "postgres": "postgres", "mysql": "mysql"}


def address_of(url: str, given: Mapping[str, str]) -> tuple[str, str, str]:
    """What DuckDB attaches.

    Args:
        url: ``jdbc:duckdb:PATH``, or of a database that an extension of DuckDB reads which is
            installed.
        given: ``user``, ``password``, ``readOnly``; ``driver`` has no meaning here.

    Returns:
        The address, the extension (empty: none), and the mode.

    Raises:
        InvalidRequestError: It is another address, or its file is missing and must be there.
    """
    found = _URL.fullmatch(url.strip())
    if found is None:
        raise InvalidRequestError(
            f"url is {url!r}; it must be jdbc:sqlite:PATH, jdbc:duckdb:PATH, or "
            "jdbc:postgresql:... where DuckDB's extension is installed."
        )
    kind, rest = found.groups()
    options = Options("connect jdbc", given)
    read_only = options.truth("readOnly")
    user, password = options.text("user"), options.text("password")
    options.skip(("driver",))
    options.end()
    mode = "read_only" if read_only else "read_write"
    if kind == "duckdb":
        return str(_file(rest, read_only=read_only)), "", mode
    address = f"{'postgresql' if kind.startswith('postgre') else kind}:{rest}"
    if user:
        address = address.replace("://", f"://{user}:{password}@", 1)
    return address, _EXTENSIONS[kind], mode


def _file(path: str, *, read_only: bool) -> str:
    target = local(path)
    if read_only and not target.exists():
        raise InvalidRequestError(f"There is no file {str(target)!r}.")
    return str(target)
