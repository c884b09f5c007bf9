"""``tools/environment.py`` under Pythons that are too old: one sentence, no traceback."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parent.parent / "tools" / "environment.py"


def find(version: str) -> Path | None:
    """An interpreter of that version that runs (a version manager's shim may not)."""
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    return managed[-1] if managed else None


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9", "3.10"])
def test_an_old_python_is_told_so(version: str) -> None:
    python = find(version) or shutil.which(f"python{version}")
    if (
        python is None
        or subprocess.run([python, "-V"], capture_output=True, check=False).returncode
    ):
        pytest.skip(f"there is no Python {version} here")
    result = subprocess.run(
        [python, str(SCRIPT), "lab"], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode == 1
    assert result.stderr.strip().startswith("Byzer Lab needs Python 3.11 or newer, and ")
    assert "Traceback" not in result.stderr
