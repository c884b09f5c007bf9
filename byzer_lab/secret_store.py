"""Secrets that ``${NAME}`` finds where the environment has none.

Where the system has a keyring and the package ``keyring`` is installed, the values are in it, and
the file has the names alone. Else the values are in the file, which is its owner's alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from byzer_lab.config import home, write_private
from byzer_lab.errors import ClusterError, InvalidRequestError, NotFoundError, describe

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LEAST_PRIORITY = 1
"""What keyring gives to the keyrings of systems; below it are files and none at all."""


def store_path() -> Path:
    """Where the file is."""
    return home() / "secrets.json"


def store_words() -> str:
    """Where a value would be stored now."""
    return "the system's keyring" if _keyring() is not None else str(store_path())


def stored_names() -> list[str]:
    """The names of the stored secrets.

    Raises:
        ClusterError: The file is damaged, or others may read it.
    """
    return sorted(_read())


def stored_secrets(names: Iterable[str] | None = None) -> dict[str, str]:
    """Stored secrets.

    Args:
        names: Which; those that are not stored are left out. ``None``: all.

    Raises:
        ClusterError: The file is damaged, others may read it, or the keyring doesn't answer.
    """
    found = _read()
    wanted = found if names is None else [name for name in names if name in found]
    return {name: _value(name, found[name]) for name in wanted}


def store_secret(name: str, value: str) -> None:
    """Store one, in the place of an older one of that name.

    Raises:
        InvalidRequestError: ``${NAME}`` can't refer to that name, or there is no value.
        ClusterError: As from :func:`stored_secrets`.
    """
    if not _NAME.fullmatch(name):
        raise InvalidRequestError(f"{name!r} can't name a secret: use letters, digits and '_'.")
    if not value:
        raise InvalidRequestError(f"The value of {name} is empty.")
    found = _read()
    keyring = _keyring()
    if keyring is not None:
        _asked(keyring.set_password, _service(), name, value)
    _write({**found, name: value if keyring is None else None})


def remove_secret(name: str) -> None:
    """Forget one.

    Raises:
        NotFoundError: There is none of that name.
        ClusterError: As from :func:`stored_secrets`.
    """
    found = _read()
    if name not in found:
        raise NotFoundError(f"There is no stored secret {name!r}.")
    keyring = _keyring()
    is_there = found.pop(name) is None and keyring is not None
    if is_there and _asked(keyring.get_password, _service(), name) is not None:
        _asked(keyring.delete_password, _service(), name)
    _write(found)


def _read() -> dict[str, str | None]:
    """The file: values, or ``None`` for those in the keyring."""
    path = store_path()
    if not path.exists():
        return {}
    if path.stat().st_mode & 0o077:
        raise ClusterError(f"Others may read {path}; take that from them with 'chmod 600 {path}'.")
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, str | None])
    except msgspec.DecodeError as error:
        raise ClusterError(f"{path} is damaged; remove it and store the secrets anew.") from error


def _write(found: dict[str, str | None]) -> None:
    write_private(store_path(), msgspec.json.encode(found).decode())


def _value(name: str, value: str | None) -> str:
    if value is not None:
        return value
    keyring = _keyring()
    kept = None if keyring is None else _asked(keyring.get_password, _service(), name)
    if kept is None:
        raise ClusterError(
            f"{name} is in the system's keyring, which "
            f"{'is not there now' if keyring is None else 'has it no more'}; store it anew with "
            f"'byzer-lab secrets set {name}'."
        )
    return str(kept)


def _service() -> str:
    """How the keyring calls our secrets; those of another home folder are others."""
    return f"byzer-lab {home()}"


def _keyring() -> Any:
    """The system's keyring; ``None`` where it has none."""
    if find_spec("keyring") is None:
        return None
    import keyring

    backend = keyring.get_keyring()
    return backend if backend.priority >= _LEAST_PRIORITY else None


def _asked(call: Any, *arguments: str) -> Any:
    try:
        return call(*arguments)
    except Exception as error:  # its backends raise whatever their systems do
        raise ClusterError(f"The system's keyring refused: {describe(error)}") from error
