"""Ranks of a training as plain processes: what Ray Train arranges, without a cluster.

``python -m tests.support.training_ranks FOLDER`` runs one rank of what :func:`run_in_processes`
has written there.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from byzer_lab.cluster.bootstrap import connect, ray_environment
from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import ByzerLabError, EngineError, describe, from_wire
from byzer_lab.jobs import JobEnd, JobReport, JobSpec
from byzer_lab.training.channel import Channel
from byzer_lab.training.distributed import Loop
from tests.support.notes import Notes

FILES_LIMIT = "TEST_LARGEST_FILE"
"""Environment variable: bytes that a rank's files may have, for a disk that is full."""
REPOSITORY = Path(__file__).parents[2]


class RankLost(Exception):
    """A rank ended without a word."""


class FileChannel:
    """Writes reports into a file; a file ``stop`` beside it asks to stop."""

    def __init__(self, folder: Path, rank: int) -> None:
        self._stop = folder / "stop"
        self._reports = (folder / f"reports-{rank}.jsonl").open("ab")
        self.attempt = 1

    @property
    def stop_requested(self) -> bool:
        return self._stop.exists()

    def report(self, report: JobReport) -> None:
        self._reports.write(msgspec.json.encode(report) + b"\n")
        self._reports.flush()


def run_in_processes(
    spec: JobSpec, loop: Loop, config: dict[str, Any], channel: Channel, *, kill_at: int = 0
) -> dict[str, Any]:
    """As :func:`byzer_lab.training.distributed.run_on_workers`, but without a second try.

    Args:
        kill_at: Kill the last rank once this step was told.

    Raises:
        RankLost: A rank was killed.
        ByzerLabError: What a rank failed with.
    """
    folder = Path(spec.folder) / "ranks"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    told = {"loop": f"{loop.__module__}:{loop.__name__}", "config": config}
    (folder / "told.json").write_text(json.dumps(told))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    processes = []
    for rank in range(spec.workers):
        env = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(spec.workers),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "GLOO_SOCKET_IFNAME": "lo",
        }
        command = [sys.executable, "-m", "tests.support.training_ranks", str(folder)]
        with (folder / f"output-{rank}.txt").open("wb") as output:
            processes.append(
                subprocess.Popen(
                    command, cwd=REPOSITORY, env=env, stdout=output, stderr=subprocess.STDOUT
                )
            )
    try:
        _watch(processes, folder, channel, kill_at)
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
    result: dict[str, Any] = json.loads((folder / "result-0.json").read_text())
    return result


def _watch(
    processes: list[subprocess.Popen[bytes]], folder: Path, channel: Channel, kill_at: int
) -> None:
    handed = 0
    while True:
        lines = []
        with contextlib.suppress(FileNotFoundError):
            lines = (folder / "reports-0.jsonl").read_bytes().splitlines()
        for line in lines[handed:]:
            report = msgspec.json.decode(line, type=JobReport)
            channel.report(report)
            if kill_at and (report.step or 0) >= kill_at:
                os.kill(processes[-1].pid, signal.SIGKILL)
        handed = len(lines)
        if channel.stop_requested:
            (folder / "stop").touch()
        codes = [process.poll() for process in processes]
        for rank, code in enumerate(codes):
            failed = folder / f"error-{rank}.json"
            if code and failed.exists():
                raise from_wire(json.loads(failed.read_text()))
        if any(codes):
            words = [(folder / f"output-{n}.txt").read_text()[-3000:] for n in range(len(codes))]
            raise RankLost(f"{codes}: {words}")
        if all(code == 0 for code in codes) and handed == len(lines):
            return
        time.sleep(0.05)


def run_on_ray(cluster: Runtime, spec: JobSpec, notes: Notes) -> JobEnd:
    """Run a job over Ray's workers, from a process that is one of Ray's as a job's is."""
    told = base64.b64encode(msgspec.json.encode(spec)).decode()
    command = [sys.executable, "-m", __name__, "ray", cluster.ray_address, told]
    done = subprocess.run(
        command,
        cwd=REPOSITORY,
        env={**os.environ, **ray_environment()},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-12000:].decode()
    *_, reports, end = done.stdout.splitlines()
    for report in msgspec.json.decode(reports, type=list[JobReport]):
        notes.report(report)
    return msgspec.json.decode(end, type=JobEnd)


def _drive(address: str, told: str) -> None:
    from byzer_lab.training.running import run_job

    ray = connect(address)
    notes = Notes()
    end = run_job(msgspec.json.decode(base64.b64decode(told), type=JobSpec), notes)
    ray.shutdown()
    print(msgspec.json.encode(notes.reports).decode())
    print(msgspec.json.encode(end).decode())


def main() -> None:
    """One rank."""
    if sys.argv[1] == "ray":
        _drive(*sys.argv[2:])
        return
    import torch.distributed as dist

    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    if FILES_LIMIT in os.environ:
        limit = int(os.environ[FILES_LIMIT])
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    told = json.loads((folder / "told.json").read_text())
    module, _, name = told["loop"].partition(":")
    loop = getattr(import_module(module), name)
    if int(os.environ["WORLD_SIZE"]) > 1:
        dist.init_process_group("gloo")
    try:
        result = loop(told["config"], FileChannel(folder, rank))
    except RuntimeError as error:
        if "onnection" in str(error):  # another rank was lost
            raise
        _fail(folder, rank, error)
        raise
    except Exception as error:
        _fail(folder, rank, error)
        raise
    (folder / f"result-{rank}.json").write_text(json.dumps(result))


def _fail(folder: Path, rank: int, error: Exception) -> None:
    known = error if isinstance(error, ByzerLabError) else EngineError(describe(error))
    (folder / f"error-{rank}.json").write_text(json.dumps(known.to_wire()))


if __name__ == "__main__":
    main()
