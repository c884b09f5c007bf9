"""Where Byzer Lab keeps its files, and the environment variables that it reads.

| variable | meaning | default |
|---|---|---|
| ``BYZER_LAB_HOME`` | folder of the runtime file and the database | ``~/.byzer_lab`` |
| ``BYZER_LAB_URL``, ``BYZER_LAB_TOKEN`` | use the cluster at this gateway, start none | unset |
| ``BYZER_LAB_RAY_ADDRESS`` | run on this Ray cluster instead of an embedded one | unset |
| ``BYZER_LAB_PORT`` | port of the gateway | a free one |
"""

from __future__ import annotations

import os
from pathlib import Path

from byzer_lab.errors import ClusterError

NAMESPACE = "byzer_lab"
"""Ray namespace of every actor of ours."""


def home() -> Path:
    """The folder of this user's Byzer Lab; made, for the user alone, where it is missing.

    Raises:
        ClusterError: It can't be made.
    """
    folder = Path(os.environ.get("BYZER_LAB_HOME") or Path.home() / ".byzer_lab").expanduser()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ClusterError(
            f"The folder {folder} can't be made ({error.strerror}); set BYZER_LAB_HOME to one that "
            "can."
        ) from error
    return folder.resolve()


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, readable by its owner only."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    temporary.replace(path)


def absolute_path(model_path: str) -> str:
    """A model's path as the workers understand it, whose working directory is another one.

    Args:
        model_path: As the user writes it. A relative path is the caller's where something is
            there, and ``~`` the caller's home; a hub id and ``bundled`` stay as they are.
    """
    path = os.path.expanduser(model_path)  # ~user stays where there is no such user
    if not model_path or model_path == "bundled" or not os.path.exists(path):
        return model_path
    return str(Path(path).absolute())
