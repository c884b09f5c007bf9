"""What ``doctor`` looks at. Each check tells what it found and, where that is bad, what to do."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import psutil

from byzer_lab import __version__
from byzer_lab.cluster.launch import answers, has_ended
from byzer_lab.cluster.runtime import read_runtime, runtime_path
from byzer_lab.config import home
from byzer_lab.errors import ByzerLabError, ClusterError, describe
from byzer_lab.secret_store import store_path
from byzer_lab.web import bind

LEAST_PYTHON = (3, 11)
DISK_GB = 5
MEMORY_GB = 2
OPEN_FILES = 4096
SERVE_PORT = 8000
LIBRARIES = {
    "ray": "pip install 'ray>=2.55'",
    "jupyterlab": "pip install 'jupyterlab>=4.6,<5'",
}
ENGINES = {
    "transformers": "pip install 'byzer-lab[transformers]'",
    "vllm": "pip install 'byzer-lab[vllm]'",
    "llama-cpp-python": "pip install 'byzer-lab[llama-cpp]'",
    "deepspeed": "pip install 'byzer-lab[deepspeed]'",
}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: What was looked at.
        state: ``ok``, ``note`` (works, but less) or ``problem``.
        found: What there is.
        fix: What to do about it.
    """

    check: str
    state: Literal["ok", "note", "problem"]
    found: str
    fix: str = ""


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    if sys.version_info >= LEAST_PYTHON:
        yield Finding("Python", "ok", f"{version}, byzer-lab {__version__}")
    else:
        least = ".".join(map(str, LEAST_PYTHON))
        yield Finding("Python", "problem", version, f"install Python {least} or later")


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _libraries() -> Iterator[Finding]:
    for name, install in LIBRARIES.items():
        version = _version(name)
        if version:
            yield Finding(name, "ok", version)
        else:
            yield Finding(name, "problem", "not installed", install)
    there = [f"{name} {version}" for name in ENGINES if (version := _version(name))]
    if there:
        yield Finding("engines", "ok", ", ".join(there))
    else:
        fix = f"{ENGINES['transformers']}; models of providers need none"
        yield Finding("engines", "note", "none installed", fix)


def _gpu() -> Iterator[Finding]:
    if shutil.which("nvidia-smi") is None:
        yield Finding("GPU", "note", "no NVIDIA driver; models run on the processor")
        return
    ask = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    said = subprocess.run(ask, capture_output=True, text=True, timeout=30)
    if said.returncode == 0 and said.stdout.strip():
        yield Finding("GPU", "ok", "; ".join(said.stdout.strip().splitlines()))
    else:
        problem = (said.stderr or said.stdout).strip() or "nvidia-smi lists none"
        yield Finding("GPU", "problem", problem, "look at the driver: run nvidia-smi")


def _room() -> Iterator[Finding]:
    for name, folder in (("disk", str(home())), ("temporary disk", tempfile.gettempdir())):
        free = shutil.disk_usage(folder).free / 2**30
        found = f"{free:.0f} GiB free in {folder}"
        if free >= DISK_GB:
            yield Finding(name, "ok", found)
        else:
            where = "BYZER_LAB_HOME" if name == "disk" else "TMPDIR"
            yield Finding(name, "problem", found, f"free some, or set {where} to another folder")
    memory = psutil.virtual_memory().available / 2**30
    state: Literal["ok", "note"] = "ok" if memory >= MEMORY_GB else "note"
    fix = "" if state == "ok" else "end other programs, or deploy smaller models"
    yield Finding("memory", state, f"{memory:.1f} GiB available", fix)
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files >= OPEN_FILES or files == resource.RLIM_INFINITY:
        yield Finding("open files", "ok", f"at most {files}")
    else:
        yield Finding("open files", "note", f"at most {files}", f"run 'ulimit -n {OPEN_FILES}'")


def _files() -> Iterator[Finding]:
    for path in (runtime_path(), store_path(), home() / "keys.json", home() / "ray-token"):
        if path.exists() and path.stat().st_mode & 0o077:
            yield Finding("files", "problem", f"others may read {path}", f"run 'chmod 600 {path}'")
            return
    yield Finding("files", "ok", f"nobody else reads the tokens and keys in {home()}")


def _ports() -> Iterator[Finding]:
    try:
        bind("127.0.0.1", SERVE_PORT).close()
    except ClusterError:
        found = f"{SERVE_PORT}, the usual one of 'byzer-lab serve', is taken"
        yield Finding("port", "note", found, "serve with --port of another one")
    else:
        yield Finding("port", "ok", f"{SERVE_PORT} is free for 'byzer-lab serve'")


def _cluster() -> Iterator[Finding]:
    runtime = read_runtime()
    if runtime is None or has_ended(runtime):
        yield Finding("cluster", "note", "not running", "run 'byzer-lab up'")
    elif answers(runtime):
        yield Finding("cluster", "ok", f"{runtime.url}, Ray at {runtime.ray_address or '?'}")
    else:
        yield Finding(
            "cluster",
            "problem",
            f"{runtime.url} does not answer",
            "run 'byzer-lab down', then 'byzer-lab up'",
        )


def _environment() -> Iterator[Finding]:
    if os.environ.get("BYZER_LAB_URL") and not os.environ.get("BYZER_LAB_TOKEN"):
        yield Finding(
            "environment", "problem", "BYZER_LAB_URL without BYZER_LAB_TOKEN", "set both, or none"
        )
    port = os.environ.get("BYZER_LAB_PORT", "")
    if port and not (port.isdigit() and int(port) < 65536):
        yield Finding("environment", "problem", f"BYZER_LAB_PORT is {port!r}", "set a port")


CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "Python": _python,
    "libraries": _libraries,
    "GPU": _gpu,
    "disk": _room,
    "files": _files,
    "port": _ports,
    "environment": _environment,
    "cluster": _cluster,
}


def findings() -> Iterator[Finding]:
    """Every check's finding; a check that fails is a finding as well."""
    for name, check in CHECKS.items():
        try:
            yield from check()
        except ByzerLabError as error:
            yield Finding(name, "problem", error.message)
        except (OSError, subprocess.SubprocessError) as error:
            yield Finding(name, "problem", describe(error))
