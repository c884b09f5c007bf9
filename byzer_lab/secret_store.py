"""Secrets that ``${NAME}`` finds where the environment has none: a file of its owner alone."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from byzer_lab.config import home, write_private
from byzer_lab.errors import ClusterError, InvalidRequestError, NotFoundError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def store_path() -> Path:
    """Where the file is."""
    return home() / "secrets.json"


def stored_secrets() -> dict[str, str]:
    """Every stored secret.

    Raises:
        ClusterError: The file is damaged, or others may read it.
    """
    path = store_path()
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise ClusterError(f"Others may read {path}; take that from them with 'chmod 600 {path}'.")
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except msgspec.DecodeError as error:
        raise ClusterError(f"{path} is damaged; remove it and store the secrets anew.") from error


def store_secret(name: str, value: str) -> None:
    """Store one, in the place of an older one of that name.

    Raises:
        InvalidRequestError: ``${NAME}`` can't refer to that name, or there is no value.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(f"{name!r} can't name a secret: use letters, digits and '_'.")
    if not value:
        raise InvalidRequestError(f"The value of {name} is empty.")
    write_private(store_path(), msgspec.json.encode({**stored_secrets(), name: value}).decode())


def remove_secret(name: str) -> None:
    """Forget one.

    Raises:
        NotFoundError: There is none of that name.
    """
    found = stored_secrets()
    if found.pop(name, None) is None:
        raise NotFoundError(f"There is no stored secret {name!r}.")
    write_private(store_path(), msgspec.json.encode(found).decode())
